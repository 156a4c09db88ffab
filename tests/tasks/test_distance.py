"""Distances to the border against SciPy's transform, on drawn and on real masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt

from auxseg.data.datasets.shapes.drawing import draw
from auxseg.data.decode import read_mask, stretch
from auxseg.tasks.distance import UNKNOWN, Distance, signed_distance
from auxseg.types import IGNORE_INDEX, ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "cat", "dog"), ())
Images = Callable[..., LabelledImages]


def by_scipy(mask: np.ndarray) -> np.ndarray:
    """± clip(EDT − ½, 0, S/8) · 8/S, the distance being that to the nearest pixel of another class.

    S is the shorter side. Without another class every pixel is at the clip.
    """
    side = min(mask.shape)
    value = np.full(mask.shape, UNKNOWN)
    for number in np.unique(mask[mask != IGNORE_INDEX]):
        others = (mask != number) & (mask != IGNORE_INDEX)
        away = distance_transform_edt(~others) if others.any() else np.full(mask.shape, np.inf)
        scaled = np.clip(away - 0.5, 0, side / 8) * 8 / side
        own = mask == number
        value[own] = (scaled if number else -scaled)[own]
    return value


def drawn(seed: int) -> np.ndarray:
    """uint8 (40, 56): blobs of three classes, and some pixels without one."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 3, (5, 7), dtype=np.uint8)
    mask = np.kron(coarse, np.ones((8, 8), np.uint8))
    mask[random.random(mask.shape) < 0.05] = IGNORE_INDEX
    return mask


def masked(images: LabelledImages, mask: np.ndarray) -> LabelledImages:
    """The images, all with this mask."""
    count, side = len(images.mask), mask.shape[0]
    repeated = torch.from_numpy(np.ascontiguousarray(mask)).expand(count, side, -1).contiguous()
    return replace(images, mask=repeated)


# -- the target -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_it_is_scipy_s_distance(seed: int) -> None:
    mask = drawn(seed)
    found = signed_distance(mask)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_scipy(mask), rtol=0, atol=1e-6)
    inside = found[mask != IGNORE_INDEX]
    assert inside.min() < 0 < inside.max()


def test_it_is_scipy_s_distance_on_real_masks(shared: Path) -> None:
    """At the photos' own sizes, and at a training size."""
    folder = shared / "data" / "oxford-iiit-pet" / "annotations" / "trimaps"
    paths = sorted(folder.glob("[A-Za-z]*.png"))[::40]
    assert paths
    for path in paths:
        # 1 is the pet, 2 the background, 3 the seam between them.
        mask = np.array([IGNORE_INDEX, 1, 0, IGNORE_INDEX], np.uint8)[read_mask(path)]
        photo = np.zeros((*mask.shape, 3), np.uint8)
        small = stretch(Sample(photo, mask=mask), 96).mask
        assert small is not None
        for one in (mask, small):
            found = signed_distance(one)
            np.testing.assert_allclose(found, by_scipy(one), rtol=0, atol=1e-6, err_msg=path.name)


def test_it_is_scipy_s_distance_on_shapes() -> None:
    for index in range(20):
        mask = draw(0, index, 64).mask
        np.testing.assert_allclose(signed_distance(mask), by_scipy(mask), rtol=0, atol=1e-6)


def test_by_hand() -> None:
    """Sixteen columns, a border after the fifth: S/8 is 2 pixels."""
    mask = np.zeros((16, 16), np.uint8)
    mask[:, 5:] = 2
    row = signed_distance(mask)[3]
    assert row[:7].tolist() == [-1, -1, -1, -0.75, -0.25, 0.25, 0.75]
    assert set(row[7:].tolist()) == {1.0}


def test_between_two_classes_of_the_foreground_both_sides_are_positive() -> None:
    mask = np.ones((16, 16), np.uint8)
    mask[:, 8:] = 2
    assert signed_distance(mask)[0, 6:10].tolist() == [0.75, 0.25, 0.25, 0.75]


def test_the_shorter_side_is_the_measure() -> None:
    mask = np.zeros((16, 40), np.uint8)
    mask[:, 20:] = 1
    for one in (mask, mask.T):
        assert np.unique(np.abs(signed_distance(one))).tolist() == [0.25, 0.75, 1.0]


@pytest.mark.parametrize(("number", "value"), [(0, -1.0), (1, 1.0), (2, 1.0)])
def test_a_single_class_is_far_from_any_border(
    number: int, value: float, random_images: Images
) -> None:
    mask = np.full((16, 16), number, np.uint8)
    mask[:4] = IGNORE_INDEX
    target = Distance(CLASSES).target(masked(random_images(count=1, size=16), mask))
    assert target.present.tolist() == [True]
    assert set(target.value[0, 0, 4:].unique().tolist()) == {value}
    assert set(target.value[0, 0, :4].unique().tolist()) == {UNKNOWN}


def test_pixels_without_a_class_are_unknown_and_make_no_border(random_images: Images) -> None:
    """Between two classes lies a band without one: distances run across it."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 14:16], mask[:, 16:] = IGNORE_INDEX, 1
    images = masked(random_images(count=2, size=32), mask)
    images.mask[1] = IGNORE_INDEX
    target = Distance(CLASSES).target(images)
    assert target.present.tolist() == [True, False]
    row = target.value[0, 0, 5]
    assert row[14:16].tolist() == [UNKNOWN, UNKNOWN]
    assert row[13] == -2.5 / 4
    assert row[16] == 2.5 / 4
    assert bool((target.value[1] == UNKNOWN).all())


@pytest.mark.parametrize("turn", ["left-right", "upside down", "quarter"])
def test_a_flip_commutes(turn: str) -> None:
    moves: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "left-right": np.fliplr, "upside down": np.flipud, "quarter": np.rot90,
    }  # fmt: skip
    random = np.random.default_rng(0)
    blobs = [drawn(seed) for seed in range(4)]
    specks = [(random.random((61, 47)) < share).astype(np.uint8) for share in (0.002, 0.02, 0.5)]
    for mask in (*blobs, *specks):
        moved = np.ascontiguousarray(moves[turn](mask))
        assert np.array_equal(signed_distance(moved), moves[turn](signed_distance(mask)))


# -- loss and metric ------------------------------------------------------------------------------


def test_the_loss_is_torch_s_over_the_known_pixels() -> None:
    value = torch.tensor([[[[0.5, -1.0], [1.0, UNKNOWN]]], [[[UNKNOWN] * 2] * 2]])
    prediction = torch.tensor([[[[0.0, 2.0], [1.0, 9.0]]], [[[3.0, 3.0], [3.0, 3.0]]]])
    known = F.smooth_l1_loss(torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0.5, -1.0, 1.0]))
    found = Distance(CLASSES, scale=1).loss(prediction, value)
    torch.testing.assert_close(found, torch.stack([known, torch.tensor(0.0)]))


def test_the_error_is_pooled_over_pixels_not_over_images() -> None:
    """One image with three known pixels, all off by 0.2, one with a single pixel off by 1."""
    task = Distance(CLASSES)
    value = torch.full((2, 1, 2, 2), UNKNOWN)
    value[0, 0, 0], value[0, 0, 1, 0], value[1, 0, 0, 0] = 0.5, 0.5, -0.5
    prediction = torch.full_like(value, 0.7)
    prediction[1] = 0.5
    metrics = task.metrics()
    metrics.update(prediction, Target(value, torch.tensor([True, True])))
    assert metrics.compute() == {"mae": pytest.approx((3 * 0.2 + 1) / 4, abs=1e-6)}


def test_an_answer_beyond_the_clip_is_as_good_as_at_it() -> None:
    """As users get it."""
    task, value = Distance(CLASSES), torch.tensor([[[[1.0, -1.0]]]])
    assert float(task.pool(task.counts(3 * value, value).numpy()[0])) == 0
    assert task.decode(3 * value[0], (1, 2)).tolist() == [[1.0, -1.0]]


def test_unknown_pixels_cost_nothing_and_count_nowhere(random_images: Images) -> None:
    task = Distance(CLASSES)
    images = random_images(count=1, size=16)
    images.mask[:, :8] = IGNORE_INDEX
    target = task.target(images)
    prediction = torch.randn(1, 1, 16, 16).requires_grad_()
    changed = prediction.detach().clone()
    changed[:, :, :8] += 5
    assert torch.equal(task.loss(prediction, target.value), task.loss(changed, target.value))
    assert torch.equal(task.counts(prediction, target.value), task.counts(changed, target.value))
    task.loss(prediction, target.value).sum().backward()
    assert prediction.grad is not None
    assert float(prediction.grad[:, :, :8].abs().max()) == 0
    assert float(prediction.grad[:, :, 8:].abs().min()) > 0


# -- what users see -------------------------------------------------------------------------------


def test_the_truth_at_the_photo_s_size() -> None:
    mask = drawn(0)
    found = Distance(CLASSES).label(Sample(np.zeros((40, 56, 3), np.uint8), mask=mask))
    assert found is not None
    expected = np.where(mask == IGNORE_INDEX, np.nan, by_scipy(mask))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert Distance(CLASSES).label(Sample(np.zeros((4, 4, 3), np.uint8))) is None


def test_its_picture_tells_outside_border_inside_and_unknown_apart() -> None:
    decoded = np.array([[-1.0, 0.0, 1.0, np.nan]], np.float32)
    outside, border, inside, nothing = (
        Distance(CLASSES).picture(np.zeros((1, 4, 3), np.uint8), decoded)[0].astype(int)
    )
    assert outside[2] > outside[0] + 50  # blue
    assert inside[0] > inside[2] + 50  # red
    assert border.min() > 240
    assert np.ptp(nothing) == 0
    assert 100 < nothing[0] < 200
