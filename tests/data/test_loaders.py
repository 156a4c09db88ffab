"""Loaders: what a batch holds, and an order that seed and epoch alone decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from auxseg.data.arrays import DecodedArrays
from auxseg.data.cache import decoded
from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.fits import Stretch
from auxseg.data.keys import Key
from auxseg.data.loaders import Batches, EpochSampler, Reader, StepSampler, make_loader
from auxseg.types import IGNORE_INDEX, NO_LABEL, Batch, LabelledImages

COUNT, SIZE = 6, 4


@pytest.fixture
def arrays() -> DecodedArrays:
    """Six images; 1 has no mask, 2 no class, 3 no box."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (COUNT, SIZE, SIZE), dtype=np.uint8)
    masks[1] = IGNORE_INDEX
    boxes = np.tile(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (COUNT, 1))
    boxes[3] = np.nan
    return DecodedArrays(
        images=rng.integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8),
        masks=masks,
        labels=np.array([0, 1, NO_LABEL, 1, 0, 1]),
        boxes=boxes,
        has_mask=np.arange(COUNT) != 1,
        readable=np.ones(COUNT, dtype=bool),
        digests=np.arange(COUNT, dtype=np.uint64),
        prints=np.zeros(COUNT, dtype=np.uint64),
        folder=Path(),
        problems=(),
        notes=(),
    )


def read(arrays: DecodedArrays, *indices: int, epoch: int = 0) -> LabelledImages:
    return Reader(arrays).__getitems__([Key(epoch, index) for index in indices])


def test_a_batch_holds_what_the_arrays_hold(arrays: DecodedArrays) -> None:
    batch = read(arrays, 4, 0, 5, epoch=7)
    assert batch.image.shape == (3, 3, SIZE, SIZE)
    assert batch.image.dtype == torch.float32
    expected = arrays.images[[4, 0, 5]].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(batch.image.numpy(), expected, atol=1e-6)
    assert batch.mask.dtype == torch.uint8  # widened by losses alone
    np.testing.assert_array_equal(batch.mask.numpy(), arrays.masks[[4, 0, 5]])
    assert batch.label.dtype == torch.int64
    assert batch.label.tolist() == [0, 0, 1]
    assert batch.box.dtype == torch.float32
    np.testing.assert_array_equal(batch.box.numpy(), arrays.boxes[[4, 0, 5]])
    assert batch.index.tolist() == [4, 0, 5]
    assert batch.epoch == 7


def test_missing_labels_are_marked(arrays: DecodedArrays) -> None:
    batch = read(arrays, 0, 1, 2, 3)
    assert batch.has_mask.tolist() == [True, False, True, True]
    assert batch.has_label.tolist() == [True, True, False, True]
    assert batch.has_box.tolist() == [True, True, True, False]
    assert bool((batch.mask[1] == IGNORE_INDEX).all())


def test_masks_outside_the_subset_are_hidden(arrays: DecodedArrays) -> None:
    reader = Reader(arrays, masks=[0, 1, 4])
    batch = reader.__getitems__([Key(0, index) for index in range(COUNT)])
    assert batch.has_mask.tolist() == [True, False, False, False, True, False]
    assert batch.has_label.tolist() == [True, True, False, True, True, True]
    assert batch.has_box.tolist() == [True, True, True, False, True, True]


def test_no_mask_may_be_seen(arrays: DecodedArrays) -> None:
    assert not Reader(arrays, masks=[]).visible.any()


def test_a_repeated_image_has_no_labels(arrays: DecodedArrays) -> None:
    keys = [Key(0, 0), Key(0, 0, counted=False)]
    batch = Reader(arrays).__getitems__(keys)
    for present in (batch.has_mask, batch.has_label, batch.has_box):
        assert present.tolist() == [True, False]
    assert torch.equal(batch.image[0], batch.image[1])


def test_batches_may_be_written_to(arrays: DecodedArrays) -> None:
    before = arrays.masks.copy(), arrays.images.copy(), arrays.boxes.copy()
    batch = read(arrays, 0, 1, 2)
    batch.mask.fill_(3)
    batch.image.fill_(0)
    batch.box.fill_(0)
    for old, new in zip(before, (arrays.masks, arrays.images, arrays.boxes), strict=True):
        np.testing.assert_array_equal(old, new)


def unlabelled_arrays(count: int = 3, seed: int = 9) -> DecodedArrays:
    """Images without labels; what stands for labels must never be seen."""
    rng = np.random.default_rng(seed)
    return DecodedArrays(
        images=rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8),
        masks=np.ones((count, SIZE, SIZE), dtype=np.uint8),
        labels=np.ones(count, dtype=np.int64),
        boxes=np.full((count, 4), 0.5, np.float32),
        has_mask=np.ones(count, dtype=bool),
        readable=np.ones(count, dtype=bool),
        digests=np.arange(count, dtype=np.uint64),
        prints=np.zeros(count, dtype=np.uint64),
        folder=Path(),
        problems=(),
        notes=(),
    )


@pytest.mark.parametrize("masks", [None, [0, 1, 4]])
def test_unlabelled_images_are_numbered_on_and_have_no_label(
    masks: list[int] | None, arrays: DecodedArrays
) -> None:
    further = unlabelled_arrays()
    reader = Reader(arrays, masks, further)
    assert len(reader) == COUNT + 3
    numbers = [COUNT + 2, 0, COUNT, 4]
    batch = reader.__getitems__([Key(2, number) for number in numbers])
    assert batch.index.tolist() == numbers
    assert batch.epoch == 2
    expected = np.stack(
        [further.images[2], arrays.images[0], further.images[0], arrays.images[4]]
    ).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(batch.image.numpy(), expected / 255, atol=1e-6)
    for present in (batch.has_mask, batch.has_label, batch.has_box):
        assert present.tolist() == [False, True, False, True]
    assert bool((batch.mask[[0, 2]] == IGNORE_INDEX).all())
    np.testing.assert_array_equal(batch.mask[[1, 3]].numpy(), arrays.masks[[0, 4]])
    assert batch.counted.tolist() == [True] * 4


def test_a_batch_of_unlabelled_images_alone(arrays: DecodedArrays) -> None:
    further = unlabelled_arrays()
    batch = Reader(arrays, None, further).__getitems__([Key(0, COUNT + n) for n in (1, 1)])
    np.testing.assert_allclose(
        batch.image[0].numpy(), further.images[1].transpose(2, 0, 1) / 255, atol=1e-6
    )
    assert not batch.has_mask.any()
    assert not batch.has_label.any()
    assert not batch.has_box.any()


def test_reading_unlabelled_images_leaves_the_arrays_alone(arrays: DecodedArrays) -> None:
    further, before = unlabelled_arrays(), arrays.images.copy()
    Reader(arrays, None, further).__getitems__([Key(0, COUNT), Key(0, 0)]).image.fill_(0)
    np.testing.assert_array_equal(arrays.images, before)
    np.testing.assert_array_equal(further.images, unlabelled_arrays().images)


# -- order --------------------------------------------------------------------------------------


def order(sampler: EpochSampler, epoch: int = 0) -> list[int]:
    sampler.set_epoch(epoch)
    return [key.index for key in sampler]


def test_seed_and_epoch_decide_the_order() -> None:
    indices = range(10, 60)
    first, again, other = (EpochSampler(indices, shuffle=True, seed=s) for s in (3, 3, 4))
    assert order(first) == order(again)
    assert order(first) != order(other)
    assert order(first, epoch=1) != order(first, epoch=0)
    assert sorted(order(first, epoch=1)) == list(indices)


def test_a_resumed_run_sees_the_order_of_an_uninterrupted_one() -> None:
    through = EpochSampler(range(50), shuffle=True, seed=3)
    epochs = [order(through, epoch) for epoch in range(4)]
    resumed = EpochSampler(range(50), shuffle=True, seed=3)
    assert [order(resumed, epoch) for epoch in (2, 3)] == epochs[2:]


def test_keys_carry_the_epoch() -> None:
    sampler = EpochSampler(range(5), shuffle=True)
    sampler.set_epoch(4)
    assert {key.epoch for key in sampler} == {4}


def test_without_shuffling_the_order_is_given() -> None:
    assert order(EpochSampler([4, 1, 3], shuffle=False), epoch=2) == [4, 1, 3]


def test_iterating_twice_is_the_same() -> None:
    sampler = EpochSampler(range(20), shuffle=True)
    assert list(sampler) == list(sampler)


@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_all_images_equally(count: int, world_size: int) -> None:
    indices = range(100, 100 + count)
    shares = [
        EpochSampler(indices, shuffle=True, seed=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    keys = [list(share) for share in shares]
    assert [len(own) for own in keys] == [len(share) for share in shares]
    assert len({len(own) for own in keys}) == 1
    counted = Counter(key.index for own in keys for key in own if key.counted)
    assert counted == Counter(indices)


# -- what a step takes ----------------------------------------------------------------------------

LABELLED, OTHERS = range(10), range(100, 107)


def steps(
    batch_size: int = 4,
    others_per_step: int = 3,
    labelled: Sequence[int] = LABELLED,
    others: Sequence[int] = OTHERS,
    *,
    seed: int = 1,
    rank: int = 0,
    world_size: int = 1,
    **settings: int,
) -> StepSampler:
    own = EpochSampler(labelled, shuffle=True, seed=seed, rank=rank, world_size=world_size)
    return StepSampler(own, batch_size, others=others, others_per_step=others_per_step, **settings)


def epoch_of(sampler: StepSampler, epoch: int = 0) -> list[list[Key]]:
    sampler.set_epoch(epoch)
    return list(sampler)


def numbers(keys: list[Key], *, labelled: bool) -> list[int]:
    return [key.index for key in keys if (key.index < 100) is labelled]


@pytest.mark.parametrize(
    ("count", "sizes"), [(8, [4, 4]), (9, [3, 3, 3]), (10, [3, 3, 4]), (3, [3]), (13, [3, 3, 3, 4])]
)
def test_no_labelled_image_is_left_out_and_none_is_alone(count: int, sizes: list[int]) -> None:
    sampler = steps(labelled=range(count), others=())
    found = epoch_of(sampler)
    assert [len(keys) for keys in found] == sizes
    assert sorted(key.index for keys in found for key in keys) == list(range(count))


def test_every_step_has_its_labelled_images_and_then_the_others() -> None:
    for keys in epoch_of(steps()):
        apart = [key.index >= 100 for key in keys]
        assert apart == sorted(apart)
        assert sum(apart) == 3


def test_labelled_images_come_in_the_order_they_have_alone() -> None:
    sampler = steps()
    for epoch in range(3):
        alone = order(EpochSampler(LABELLED, shuffle=True, seed=1), epoch)
        together = [n for keys in epoch_of(sampler, epoch) for n in numbers(keys, labelled=True)]
        assert together == alone


@pytest.mark.parametrize(("batch_size", "further"), [(4, 3), (10, 1), (3, 7), (1, 20), (50, 2)])
def test_no_other_image_comes_again_before_all_have_come(batch_size: int, further: int) -> None:
    """Also over the end of an epoch."""
    sampler = steps(batch_size, further)
    found = [
        number
        for epoch in range(15)
        for keys in epoch_of(sampler, epoch)
        for number in numbers(keys, labelled=False)
    ]
    assert len(found) >= 2 * len(OTHERS)
    turns = [found[start : start + 7] for start in range(0, len(found) - 6, 7)]
    assert all(sorted(turn) == list(OTHERS) for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def test_epochs_can_be_taken_in_any_order() -> None:
    """A resumed run goes on with the images that an uninterrupted one would see."""
    through = steps(every=4)
    epochs = [epoch_of(through, epoch) for epoch in range(5)]
    assert [epoch_of(steps(every=4), epoch) for epoch in (4, 2, 3)] == [
        epochs[n] for n in (4, 2, 3)
    ]


def test_keys_carry_the_pass_they_belong_to() -> None:
    """Not the epoch, within which an image may come twice: it is changed in another way then."""
    found = epoch_of(steps(every=5), 1)  # steps 5 to 9, three of which make a pass
    assert [{key.epoch for key in keys} for keys in found] == [{1}, {2}, {2}, {2}, {3}]
    assert all(key.counted for keys in found for key in keys)


def test_steps_cut_the_passes_and_end_where_they_are_told_to() -> None:
    whole, cut = steps(), steps(every=4, steps=10)
    one = [keys for epoch in range(4) for keys in epoch_of(whole, epoch)]
    other = [epoch_of(cut, epoch) for epoch in range(3)]
    assert [len(epoch) for epoch in other] == [4, 4, 2]
    assert [keys for epoch in other for keys in epoch] == one[:10]


def test_the_length_is_that_of_the_epoch() -> None:
    cut = steps(every=4, steps=10)
    for epoch, length in enumerate((4, 4, 2)):
        cut.set_epoch(epoch)
        assert len(cut) == length
    assert len(steps()) == 3


def test_the_seed_decides_which_others_come() -> None:
    first, again, other = (
        [numbers(keys, labelled=False) for keys in epoch_of(steps(seed=seed))] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_others_have_an_order_of_their_own() -> None:
    """Not the labelled ones' of the same seed."""
    (keys,) = epoch_of(steps(8, 8, range(8), range(100, 108)))
    assert [key.index for key in keys[:8]] != [key.index - 100 for key in keys[8:]]


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_take_what_one_would_take(world_size: int) -> None:
    """Together, in every step: the images that one process with larger steps has in it."""
    labelled, others = range(4 * world_size * 2), range(100, 100 + 17)
    one = steps(4 * world_size, 3 * world_size, labelled, others)
    parts = [
        steps(4, 3, labelled, others, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for epoch in range(4):
        shares = [epoch_of(part, epoch) for part in parts]
        for step, keys in enumerate(epoch_of(one, epoch)):
            together = [key.index for share in shares for key in share[step]]
            assert sorted(together) == sorted(key.index for key in keys)


# -- loader -------------------------------------------------------------------------------------


def as_batch(images: LabelledImages) -> Batch:
    return Batch({"image": images.image}, {"image": ()}, {}, images.index, {})


def batches(
    arrays: DecodedArrays,
    indices: Sequence[int],
    epoch: int = 0,
    *,
    batch_size: int,
    num_workers: int = 0,
) -> list[Batch]:
    sampler = EpochSampler(indices, shuffle=True, seed=5)
    sampler.set_epoch(epoch)
    keys = Batches(sampler, batch_size)
    return list(make_loader(Reader(arrays), keys, as_batch, num_workers=num_workers))


def test_order_and_content_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    arrays = decoded(Shapes(train=12, val=1, test=1), Stretch(16), tmp_path)
    for epoch in (0, 1):
        own, others = (
            batches(arrays, range(12), epoch, batch_size=5, num_workers=workers)
            for workers in (0, 2)
        )
        assert [len(batch.index) for batch in own] == [5, 5, 2]
        for a, b in zip(own, others, strict=True):
            assert torch.equal(a.index, b.index)
            assert torch.equal(a.views["image"], b.views["image"])


def test_epochs_follow_one_another_in_kept_workers(tmp_path: Path) -> None:
    """Workers live on over epochs; set_epoch must reach what they read."""
    arrays = decoded(Shapes(train=12, val=1, test=1), Stretch(16), tmp_path)
    sampler = StepSampler(EpochSampler(range(12), shuffle=True, seed=5), 5)
    loader = make_loader(Reader(arrays), sampler, as_batch, num_workers=1)
    seen = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        seen.append([int(index) for batch in loader for index in batch.index])
    plain = EpochSampler(range(12), shuffle=True, seed=5)
    assert seen == [order(plain, 0), order(plain, 1)]


def test_steps_of_an_epoch_go_on_where_they_were_stopped() -> None:
    """Its length stays what it is, and the next epoch is whole again."""
    whole = StepSampler(EpochSampler(range(20), shuffle=True, seed=3), 4)
    resumed = StepSampler(EpochSampler(range(20), shuffle=True, seed=3), 4)
    resumed.go_on_at(2, 3)
    for epoch, first in ((2, 3), (3, 0)):
        whole.set_epoch(epoch)
        resumed.set_epoch(epoch)
        assert len(resumed) == len(whole) == 5
        assert list(resumed) == list(whole)[first:]


def test_loader_processes_begin_where_a_resumed_epoch_does(arrays: DecodedArrays) -> None:
    """They ask for batches as soon as there are any, before anybody tells them of the epoch."""
    sampler = StepSampler(EpochSampler(range(COUNT), shuffle=True, seed=3), 2)
    sampler.go_on_at(4, 1)
    loader = make_loader(Reader(arrays), sampler, lambda images: images, num_workers=2)  # type: ignore[arg-type, return-value]
    found = [batch.index.tolist() for batch in loader]
    expected = [[key.index for key in sampler.keys(step)] for step in (13, 14)]
    assert found == expected
