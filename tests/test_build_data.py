"""Configuration → batches: nested subsets, and labels that are in step with their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from auxseg import build
from auxseg.api import configure
from auxseg.config import Config, leaves
from auxseg.errors import DataError, UsageError
from auxseg.types import ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


def small(**settings: Any) -> Config:
    """24 training images of 32 pixels; keywords as in :func:`auxseg.train`."""
    drawn = {"data.options": {"train": 24, "val": 4, "test": 4}}
    return configure("segnet-3task", **({"image_size": 32} | drawn | settings))


# -- data ---------------------------------------------------------------------------------------


def class_counts(data: build.Data, indices: tuple[int, ...]) -> Counter[int]:
    return Counter(int(data.arrays.labels[index]) for index in indices)


def test_limit_is_stratified_and_nested() -> None:
    whole = build.open_data(small())
    parts = {count: build.open_data(small(limit=count)) for count in (4, 8, 16, 24)}
    shares = class_counts(whole, whole.split.train)
    for count, data in parts.items():
        assert len(data.split.train) == count
        assert list(data.split.train) == sorted(data.split.train)
        for label, number in class_counts(data, data.split.train).items():
            assert abs(number - count * shares[label] / 24) <= 1
        assert (data.split.val, data.split.test) == (whole.split.val, whole.split.test)
    trains = [set(data.split.train) for data in parts.values()]
    assert trains[0] < trains[1] < trains[2] < trains[3] == set(whole.split.train)


def test_labels_keep_all_images_and_nest() -> None:
    whole = build.open_data(small())
    assert whole.masks is None
    fewer, more = (build.open_data(small(labels=count)) for count in (4, 12))
    assert fewer.split == more.split == whole.split
    assert fewer.masks is not None
    assert more.masks is not None
    assert (len(fewer.masks), len(more.masks)) == (4, 12)
    assert set(fewer.masks) < set(more.masks) < set(whole.split.train)
    shares = class_counts(whole, whole.split.train)
    for label, number in class_counts(more, more.masks).items():
        assert abs(number - 12 * shares[label] / 24) <= 1


def test_labels_are_drawn_from_the_limited_images() -> None:
    data = build.open_data(small(limit=8, labels=4))
    assert data.masks is not None
    assert set(data.masks) < set(data.split.train)


def test_subsets_depend_on_the_seed() -> None:
    subsets = [build.open_data(small(limit=8, seed=seed)).split.train for seed in (0, 0, 1)]
    assert subsets[0] == subsets[1] != subsets[2]


def test_resolve_writes_down_what_was_used() -> None:
    config = small(image_size=None)
    dataset = build.open_dataset(config.data)
    data = build.resolve(config, dataset).data
    assert (data.image_size, data.split) == (dataset.IMAGE_SIZE, dataset.SPLITS[0])
    assert build.resolve(small(), dataset).data.image_size == 32


def test_moved_changes_the_root_alone() -> None:
    config = small()
    assert build.moved(config, None) is config
    moved = build.moved(config, "photos")
    assert moved.data.root == "photos"
    assert replace(moved, data=replace(moved.data, root=config.data.root)) == config


def test_hidden_masks_are_hidden_in_training_batches_only() -> None:
    config = small(labels=4, batch_size=24)
    data = build.open_data(config)
    tasks = build.make_tasks(config, data.dataset.classes)
    train = next(iter(build.make_train_loader(config, data, tasks)))
    seen = train.index[train.targets["segmentation"].present]
    assert data.masks is not None
    assert set(seen.tolist()) == set(data.masks)
    assert bool(train.targets["classification"].present.all())
    val = next(iter(build.make_eval_loader(config, data, tasks, "val")))
    assert bool(val.targets["segmentation"].present.all())


def test_evaluation_batches_are_unchanged_and_in_order() -> None:
    config = small()
    data = build.open_data(config)
    loader = build.make_eval_loader(
        config, data, build.make_tasks(config, data.dataset.classes), "test"
    )
    batch = next(iter(loader))
    assert batch.index.tolist() == list(data.split.test)
    pixels = torch.from_numpy(data.arrays.images[list(data.split.test)])
    torch.testing.assert_close(batch.image, pixels.permute(0, 3, 1, 2) / 255)


def folder_with_parts(root: Path, *parts: str) -> Config:
    """Images, one for each of the parts, in a user's folder."""
    (root / "images").mkdir()
    rows = ["image,label,split"]
    for number, part in enumerate(parts):
        Image.new("RGB", (16, 16)).save(root / "images" / f"{number}.png")
        rows.append(f"{number}.png,{number % 2},{part}")
    (root / "labels.csv").write_text("\n".join(rows))
    names = {"tasks.names": ("classification",), "data.options": {}}
    return small(data="folder", root=str(root), **names)


@pytest.mark.parametrize(
    ("parts", "empty"), [(("train", "train", "val"), "test"), (("val", "test"), "train")]
)
def test_an_empty_part_is_named(parts: tuple[str, ...], empty: str, tmp_path: Path) -> None:
    config = folder_with_parts(tmp_path, *parts)
    data = build.open_data(config)
    tasks = build.make_tasks(config, data.dataset.classes)
    with pytest.raises(DataError, match=rf"the {empty} split of folder"):
        build.make_eval_loader(config, data, tasks, empty)


# -- augmentation and targets -------------------------------------------------------------------


def test_make_augment_takes_every_option() -> None:
    settings = {
        "augmentation.flip": 0.25,
        "augmentation.scale": (0.5, 2.0),
        "augmentation.rotation": 45.0,
        "augmentation.translation": 0.3,
        "augmentation.brightness": 0.4,
        "augmentation.contrast": 0.5,
        "augmentation.saturation": 0.6,
        "augmentation.hue": 30.0,
    }
    augment = build.make_augment(small(**settings).augmentation)
    assert set(settings) == {key for key, _ in leaves() if key.startswith("augmentation.")}
    for key, value in settings.items():
        assert getattr(augment, key.split(".")[1]) == value


def test_an_inverted_scale_is_refused() -> None:
    config = small(**{"augmentation.scale": (1.25, 0.8)})
    with pytest.raises(UsageError, match="scale"):
        build.make_augment(config.augmentation)


def animal_in_a_box(count: int) -> LabelledImages:
    """White rectangles on black; the mask is the rectangle, the box its frame."""
    images = LabelledImages(
        image=torch.zeros(count, 3, 64, 64),
        mask=torch.zeros(count, 64, 64, dtype=torch.long),
        label=torch.zeros(count, dtype=torch.long),
        box=torch.tensor([0.25, 0.375, 0.5, 0.75]).repeat(count, 1),
        has_mask=torch.ones(count, dtype=torch.bool),
        index=torch.arange(count),
        epoch=3,
    )
    images.image[:, :, 24:48, 16:32] = 1.0
    images.mask[:, 24:48, 16:32] = 1
    return images


def test_targets_are_in_step_with_the_augmented_image() -> None:
    """Every geometric change at once: mask and box still lie where the rectangle is."""
    config = small(
        **{
            "augmentation.scale": (0.7, 1.3),
            "augmentation.rotation": 0.0,
            "augmentation.brightness": 0.0,
            "augmentation.contrast": 0.0,
        }
    )
    augment = build.make_augment(config.augmentation)
    images = animal_in_a_box(16)
    batch = build.Prepare(build.make_tasks(config, CLASSES), augment, seed=1)(images)
    assert not torch.equal(batch.image, images.image)
    mask, box = batch.targets["segmentation"], batch.targets["bbox"]
    bright = batch.image.mean(dim=1) > 0.5
    for number in range(16):
        known = mask.value[number] <= 1
        assert float(((mask.value[number] == 1) == bright[number])[known].float().mean()) > 0.99
        if box.present[number]:
            rows, columns = torch.nonzero(bright[number] & known, as_tuple=True)
            frame = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            expected = torch.stack(frame) / 64
            torch.testing.assert_close(box.value[number], expected, atol=1.5 / 64, rtol=0)
    assert int(box.present.sum()) > 8


def test_prepare_depends_on_seed_epoch_and_image_only() -> None:
    config = small()
    tasks, augment = build.make_tasks(config, CLASSES), build.make_augment(config.augmentation)
    images = animal_in_a_box(4)
    first, again, other = (build.Prepare(tasks, augment, seed)(images) for seed in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)


def test_without_augmentation_nothing_changes(
    random_images: Callable[..., LabelledImages],
) -> None:
    tasks = build.make_tasks(small(), CLASSES)
    images = random_images(missing=(2,))
    batch = build.Prepare(tasks, None, seed=0)(images)
    assert torch.equal(batch.image, images.image)
    assert tuple(batch.targets) == tuple(tasks)
    assert torch.equal(batch.index, images.index)
    for target in batch.targets.values():
        assert target.present.tolist() == [True, True, False, True]
