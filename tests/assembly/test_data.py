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

from auxseg import assembly
from auxseg.api import configure
from auxseg.config import Config, leaves
from auxseg.data.augmentation import Augment
from auxseg.errors import DataError, UsageError
from auxseg.types import ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


def small(**settings: Any) -> Config:
    """24 training images of 32 pixels; keywords as in :func:`auxseg.train`."""
    drawn = {"data.options": {"train": 24, "val": 4, "test": 4}}
    return configure("segnet-3task", **({"image_size": 32} | drawn | settings))


# -- data ---------------------------------------------------------------------------------------


def class_counts(data: assembly.Data, indices: tuple[int, ...]) -> Counter[int]:
    return Counter(int(data.arrays.labels[index]) for index in indices)


def test_limit_is_stratified_and_nested() -> None:
    whole = assembly.open_data(small())
    parts = {count: assembly.open_data(small(limit=count)) for count in (4, 8, 16, 24)}
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
    whole = assembly.open_data(small())
    assert whole.masks is None
    fewer, more = (assembly.open_data(small(labels=count)) for count in (4, 12))
    assert fewer.split == more.split == whole.split
    assert fewer.masks is not None
    assert more.masks is not None
    assert (len(fewer.masks), len(more.masks)) == (4, 12)
    assert set(fewer.masks) < set(more.masks) < set(whole.split.train)
    shares = class_counts(whole, whole.split.train)
    for label, number in class_counts(more, more.masks).items():
        assert abs(number - 12 * shares[label] / 24) <= 1


def test_labels_are_drawn_from_the_limited_images() -> None:
    data = assembly.open_data(small(limit=8, labels=4))
    assert data.masks is not None
    assert set(data.masks) < set(data.split.train)


def test_subsets_depend_on_the_seed() -> None:
    subsets = [assembly.open_data(small(limit=8, seed=seed)).split.train for seed in (0, 0, 1)]
    assert subsets[0] == subsets[1] != subsets[2]


def test_resolve_writes_down_what_was_used() -> None:
    config = small(image_size=None)
    dataset = assembly.open_dataset(config.data)
    data = assembly.resolve(config, dataset).data
    assert (data.image_size, data.split) == (dataset.IMAGE_SIZE, dataset.SPLITS[0])
    assert assembly.resolve(small(), dataset).data.image_size == 32


def test_moved_changes_the_root_alone() -> None:
    config = small()
    assert assembly.moved(config, None) is config
    moved = assembly.moved(config, "photos")
    assert moved.data.root == "photos"
    assert replace(moved, data=replace(moved.data, root=config.data.root)) == config


def test_hidden_masks_are_hidden_in_training_batches_only() -> None:
    config = small(labels=4, batch_size=24)
    data = assembly.open_data(config)
    tasks = assembly.make_tasks(config, data.dataset.classes)
    train = next(iter(assembly.make_train_loader(config, data, tasks)))
    seen = train.index[train.targets["segmentation"].present]
    assert data.masks is not None
    assert set(seen.tolist()) == set(data.masks)
    assert bool(train.targets["classification"].present.all())
    val = next(iter(assembly.make_eval_loader(config, data, tasks, "val")))
    assert bool(val.targets["segmentation"].present.all())


def test_evaluation_batches_are_unchanged_and_in_order() -> None:
    config = small()
    data = assembly.open_data(config)
    loader = assembly.make_eval_loader(
        config, data, assembly.make_tasks(config, data.dataset.classes), "test"
    )
    batch = next(iter(loader))
    assert batch.index.tolist() == list(data.split.test)
    pixels = torch.from_numpy(data.arrays.images[list(data.split.test)])
    torch.testing.assert_close(batch.views["image"], pixels.permute(0, 3, 1, 2) / 255)


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
    data = assembly.open_data(config)
    tasks = assembly.make_tasks(config, data.dataset.classes)
    with pytest.raises(DataError, match=rf"the {empty} split of folder"):
        assembly.make_eval_loader(config, data, tasks, empty)


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
    augment = assembly.make_augment(small(**settings).augmentation)
    assert set(settings) == {key for key, _ in leaves() if key.startswith("augmentation.")}
    for key, value in settings.items():
        assert getattr(augment, key.split(".")[1]) == value


def test_an_inverted_scale_is_refused() -> None:
    config = small(**{"augmentation.scale": (1.25, 0.8)})
    with pytest.raises(UsageError, match="scale"):
        assembly.make_augment(config.augmentation)


def prepare(config: Config, augment: Augment | None, seed: int) -> assembly.Prepare:
    tasks = assembly.make_tasks(config, CLASSES)
    return assembly.Prepare(assembly.make_views(config, tasks), augment, seed)


def animal_in_a_box(count: int) -> LabelledImages:
    """White rectangles on black; the mask is the rectangle, the box its frame."""
    images = LabelledImages(
        image=torch.zeros(count, 3, 64, 64),
        mask=torch.zeros(count, 64, 64, dtype=torch.long),
        label=torch.zeros(count, dtype=torch.long),
        box=torch.tensor([0.25, 0.375, 0.5, 0.75]).repeat(count, 1),
        has_mask=torch.ones(count, dtype=torch.bool),
        counted=torch.ones(count, dtype=torch.bool),
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
    augment = assembly.make_augment(config.augmentation)
    images = animal_in_a_box(16)
    batch = prepare(config, augment, seed=1)(images)
    image = batch.views["image"]
    assert not torch.equal(image, images.image)
    mask, box = batch.targets["segmentation"], batch.targets["bbox"]
    bright = image.mean(dim=1) > 0.5
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
    augment = assembly.make_augment(config.augmentation)
    images = animal_in_a_box(4)
    first, again, other = (
        prepare(config, augment, seed)(images).views["image"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_augmentation_nothing_changes(
    random_images: Callable[..., LabelledImages],
) -> None:
    config = small()
    images = random_images(missing=(2,))
    batch = prepare(config, None, seed=0)(images)
    assert torch.equal(batch.views["image"], images.image)
    assert tuple(batch.targets) == config.tasks.names
    assert [route.task for route in batch.routes["image"]] == list(config.tasks.names)
    assert torch.equal(batch.index, images.index)
    for target in batch.targets.values():
        assert target.present.tolist() == [True, True, False, True]


# -- unlabelled images ----------------------------------------------------------------------------

SELF_SUPERVISED = ("segmentation", "edges")


def save_images(folder: Path, **levels: int) -> Path:
    """Images of one grey level each, by stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, level in levels.items():
        Image.new("RGB", (32, 32), (level, level, level)).save(folder / f"{stem}.png")
    return folder


@pytest.fixture
def further(tmp_path: Path) -> Path:
    return save_images(tmp_path / "further", a=10, b=20, c=30, d=40, e=50)


def with_unlabelled(folder: Path, **settings: Any) -> Config:
    return small(**({"unlabelled": str(folder), "tasks.names": SELF_SUPERVISED} | settings))


def test_unlabelled_images_are_numbered_on_from_the_data_set_s(further: Path) -> None:
    data = assembly.open_data(with_unlabelled(further))
    assert data.unlabelled is not None
    assert data.unlabelled.numbers == tuple(range(32, 37))
    assert data.counts == {"train": 24, "masks": 24, "unlabelled": 5, "val": 4, "test": 4}
    assert data.split == assembly.open_data(small()).split


def test_without_a_folder_there_are_none() -> None:
    data = assembly.open_data(small(**{"tasks.names": SELF_SUPERVISED}))
    assert data.unlabelled is None
    assert data.counts["unlabelled"] == 0


def test_tasks_that_need_labels_cannot_use_them(further: Path) -> None:
    data = assembly.open_data(small(unlabelled=str(further)))
    assert data.unlabelled is None
    (message,) = (text for text in data.messages if "--unlabelled" in text)
    for name in ("denoising", "edges", "colorization"):
        assert name in message


def test_a_missing_folder_of_unlabelled_images_is_an_error(tmp_path: Path) -> None:
    for names in (SELF_SUPERVISED, ("segmentation",)):
        config = with_unlabelled(tmp_path / "nowhere", **{"tasks.names": names})
        with pytest.raises(DataError, match=r"nowhere.*--unlabelled"):
            assembly.open_data(config)


def test_a_broken_unlabelled_image_is_left_out_with_a_message(further: Path) -> None:
    (further / "b.png").write_bytes(b"no image at all")
    data = assembly.open_data(with_unlabelled(further))
    assert data.unlabelled is not None
    assert data.unlabelled.numbers == (32, 34, 35, 36)
    assert sum(str(further / "b.png") in message for message in data.messages) == 1


def own_folder(root: Path) -> Path:
    """Eight images of a user, one grey level each: 0 to 3 train, 4 and 5 val, 6 and 7 test."""
    save_images(root / "images", **{f"n{number}": 100 + 10 * number for number in range(8)})
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    rows = [f"n{number}.png,{number % 2},{part}" for number, part in enumerate(parts)]
    (root / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    return root


def test_validation_and_test_images_are_not_trained_on(tmp_path: Path) -> None:
    """The same name and the same pixels: a copy. The same name alone: another image."""
    root = own_folder(tmp_path / "own")
    folder = save_images(tmp_path / "further", n0=100, n4=140, n5=7, n6=8, n7=170, other=160)
    config = with_unlabelled(
        folder,
        data="folder",
        root=str(root),
        **{"data.options": {}, "tasks.names": ("classification", "edges")},
    )
    data = assembly.open_data(config)
    assert data.unlabelled is not None
    names = sorted(path.stem for path in folder.iterdir())
    kept = [names[number - 8] for number in data.unlabelled.numbers]
    assert kept == ["n0", "n5", "n6", "other"]
    (message,) = (text for text in data.messages if "left out" in text)
    assert message.startswith("2 unlabelled images")
    assert "n4.png" in message


def test_a_resized_and_compressed_copy_of_a_test_image_is_not_trained_on(
    tmp_path: Path, shared: Path
) -> None:
    photos = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[:4]
    own, further = tmp_path / "own" / "images", tmp_path / "further"
    own.mkdir(parents=True)
    further.mkdir()
    for photo, other in zip(photos, reversed(photos), strict=True):
        (own / photo.name).write_bytes(photo.read_bytes())
        # Copies of the last two; the first two share a name with another photo.
        source = photo if photo in photos[2:] else other
        with Image.open(source) as image:
            image.convert("RGB").resize((192, 192)).save(further / photo.name, quality=80)
    parts = zip(photos, ("val", "test", "val", "test"), strict=True)
    rows = ["image,label,split", *(f"{photo.name},0,{part}" for photo, part in parts)]
    (tmp_path / "own" / "labels.csv").write_text("\n".join(rows))
    config = with_unlabelled(
        further, data="folder", root=str(tmp_path / "own"),
        **{"data.options": {}, "tasks.names": ("classification", "edges")},
    )  # fmt: skip
    data = assembly.open_data(config)
    assert data.unlabelled is not None
    assert data.unlabelled.numbers == (4, 5)


def test_a_folder_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    folder = save_images(tmp_path / "further", n4=140, n6=160)
    config = with_unlabelled(
        folder, data="folder", root=str(own_folder(tmp_path / "own")),
        **{"data.options": {}, "tasks.names": ("classification", "edges")},
    )  # fmt: skip
    with pytest.raises(DataError, match="no image is left"):
        assembly.open_data(config)


def test_every_step_has_unlabelled_images_in_it(further: Path) -> None:
    config = with_unlabelled(further, batch_size=6, **{"data.unlabelled_ratio": 0.5})
    data = assembly.open_data(config)
    tasks = assembly.make_tasks(config, data.dataset.classes)
    seen: Counter[int] = Counter()
    for batch in assembly.make_train_loader(config, data, tasks):
        assert (batch.index >= 32).tolist() == [False] * 6 + [True] * 3
        assert batch.targets["edges"].present.tolist() == [True] * 9
        assert not batch.targets["segmentation"].present[6:].any()
        seen.update(batch.index.tolist())
    assert [seen[number] for number in data.split.train] == [1] * 24
    assert sum(seen[number] for number in range(32, 37)) == 12
    assert {seen[number] for number in range(32, 37)} == {2, 3}


def test_an_epoch_runs_over_the_images_with_the_primary_task_s_label(further: Path) -> None:
    """The others come on top, with the labels that they have."""
    names = ("segmentation", "classification", "edges")
    config = with_unlabelled(further, batch_size=4, labels=8, **{"tasks.names": names})
    data = assembly.open_data(config)
    assert data.masks == data.primary
    assert data.others == (
        *(number for number in data.split.train if number not in data.primary),
        *range(32, 37),
    )
    tasks = assembly.make_tasks(config, data.dataset.classes)
    loader = assembly.make_train_loader(config, data, tasks)
    assert len(loader) == 2
    for batch in loader:
        own = batch.index < 32
        assert batch.targets["segmentation"].present.tolist() == [True] * 4 + [False] * 4
        assert torch.equal(batch.targets["classification"].present, own)
        assert batch.targets["edges"].present.tolist() == [True] * 8


def test_images_that_no_task_learns_from_are_not_trained_on() -> None:
    data = assembly.open_data(small(labels=8, **{"tasks.names": ("segmentation", "boundary")}))
    assert len(data.primary) == 8
    assert data.others == ()


def test_every_step_has_at_least_one_unlabelled_image(further: Path) -> None:
    config = with_unlabelled(further, batch_size=6, **{"data.unlabelled_ratio": 0.01})
    data = assembly.open_data(config)
    loader = assembly.make_train_loader(config, data, assembly.make_tasks(config, CLASSES))
    assert [int((batch.index >= 32).sum()) for batch in loader] == [1] * 4


def test_measuring_needs_no_unlabelled_images(further: Path) -> None:
    config = with_unlabelled(further)
    tasks = assembly.make_tasks(config, CLASSES)
    with_, without = (
        next(iter(assembly.make_eval_loader(config, assembly.open_data(each), tasks, "val")))
        for each in (config, assembly.measured(config))
    )
    assert torch.equal(with_.index, without.index)
    assert torch.equal(with_.views["image"], without.views["image"])
    assert assembly.measured(with_unlabelled(further.parent / "gone")).data.unlabelled is None


# -- views ----------------------------------------------------------------------------------------


def all_tasks(**settings: Any) -> Config:
    drawn = {"data.options": {"train": 8, "val": 4, "test": 4}}
    return configure("mtan-all", **({"image_size": 32, "weights": "none"} | drawn | settings))


def test_views_are_made_after_augmentation() -> None:
    """The noisy image less its noise is the target; the lightness is that of the target."""
    config = all_tasks(**{"tasks.options": {"denoising": {"std": 1.0}}})
    tasks = assembly.make_tasks(config, CLASSES)
    prepare_ = assembly.Prepare(
        assembly.make_views(config, tasks),
        assembly.make_augment(config.augmentation),
        seed=1,
    )
    batch = prepare_(animal_in_a_box(4))
    assert tuple(batch.views) == ("image", "noisy", "lightness")
    clean = batch.targets["denoising"].value
    assert torch.equal(batch.views["image"], clean)
    assert float((batch.views["noisy"] - clean).abs().max()) < 6 / 255
    assert torch.equal(batch.views["lightness"][:, 0], batch.targets["colorization"].value[:, 0])
    for name, view in {"bbox": "image", "edges": "image", "colorization": "lightness"}.items():
        assert batch.view_of(name) is batch.views[view]


def test_training_noise_changes_with_the_epoch_and_validation_noise_does_not() -> None:
    settings = dict.fromkeys(("flip", "rotation", "translation", "brightness", "contrast"), 0.0)
    still = {f"augmentation.{key}": value for key, value in settings.items()}
    still |= {"augmentation.saturation": 0.0, "augmentation.hue": 0.0}
    config = all_tasks(batch_size=8, **still, **{"augmentation.scale": (1.0, 1.0)})
    data = assembly.open_data(config)
    tasks = assembly.make_tasks(config, CLASSES)

    def noise(loader: Any, epoch: int | None = None) -> torch.Tensor:
        if epoch is not None:
            loader.batch_sampler.set_epoch(epoch)
        batch = next(iter(loader))
        by_number = torch.argsort(batch.index)
        return (batch.views["noisy"] - batch.views["image"])[by_number]

    train = assembly.make_train_loader(config, data, tasks)
    val = assembly.make_eval_loader(config, data, tasks, "val")
    assert torch.equal(noise(train, 0), noise(train, 0))
    assert not torch.equal(noise(train, 0), noise(train, 1))
    assert torch.equal(noise(val), noise(val))


def test_validation_noise_does_not_depend_on_the_run_s_seed() -> None:
    """So that systems of any seed are measured on the same images."""
    seen = []
    for seed in (0, 1):
        config = all_tasks(seed=seed)
        data = assembly.open_data(config)
        loader = assembly.make_eval_loader(
            config, data, assembly.make_tasks(config, CLASSES), "test"
        )
        seen.append(next(iter(loader)).views["noisy"])
    assert torch.equal(seen[0], seen[1])


def test_copies_of_training_images_that_are_measured_are_told(tmp_path: Path) -> None:
    config = folder_with_parts(tmp_path, "train", "val", "test", "test")
    Image.new("RGB", (16, 16), (9, 99, 199)).save(tmp_path / "images" / "3.png")
    messages = "\n".join(assembly.open_data(config).messages)
    assert (
        "1 of 1 val images are copies of training images (first: 1.png is the same as 0" in messages
    )
    assert "1 of 2 test images are copies of training images (first: 2.png" in messages
