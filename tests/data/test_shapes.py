"""The drawn data set: the same for everybody, at every size, and labelled exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.datasets.shapes.drawing import Drawing, draw
from auxseg.data.datasets.shapes.textures import COATS
from auxseg.errors import UsageError


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw(0, index, 64) for index in range(300)]


def test_shapes_dtypes_and_ranges(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        assert drawing.image.shape == (64, 64, 3)
        assert drawing.image.dtype == np.uint8
        assert drawing.mask.shape == (64, 64)
        assert drawing.mask.dtype == np.uint8
        assert set(np.unique(drawing.mask)) <= {0, 1}
    assert {drawing.coat for drawing in drawings} == {0, 1, 2, 3}


def test_same_key_gives_the_same_picture_in_any_order() -> None:
    first = [Shapes(seed=3).read(index, 48) for index in (5, 2)]
    again = [Shapes(seed=3).read(index, 48) for index in (2, 5)][::-1]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.mask, two.mask)
        np.testing.assert_array_equal(one.box, two.box)
        assert one.label == two.label


@pytest.mark.parametrize("other", [{"seed": 1}, {"index": 1}, {"part": 1}])
def test_every_number_of_the_key_changes_the_picture(other: dict[str, int]) -> None:
    key = {"seed": 0, "index": 0, "size": 32, "part": 0}
    assert (draw(**key).image != draw(**{**key, **other}).image).any()


@pytest.mark.parametrize("index", range(12))
def test_is_the_same_picture_at_every_size(index: int) -> None:
    small, large = draw(4, index, 128), draw(4, index, 256)
    reduced = cv2.resize(large.mask * 255, (128, 128), interpolation=cv2.INTER_AREA) > 127
    both, either = (reduced & (small.mask > 0)).sum(), (reduced | (small.mask > 0)).sum()
    assert both / either > 0.9
    # Sensor noise and the finest patterns belong to the pixels: compare what is left of the rest.
    image = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    coarse = [cv2.GaussianBlur(one.astype(np.float32), (0, 0), 4) for one in (image, small.image)]
    assert np.abs(coarse[0] - coarse[1]).mean() < 4
    assert small.species == large.species
    np.testing.assert_array_equal(small.box, large.box)


@pytest.mark.parametrize("size", [1, 33, 100])
def test_draws_any_size(size: int) -> None:
    assert draw(0, 0, size).image.shape == (size, size, 3)


def test_box_frames_the_head(drawings: list[Drawing]) -> None:
    boxes = [(drawing.box, drawing.mask) for drawing in drawings if drawing.box is not None]
    assert len(boxes) > 0.95 * len(drawings)
    for box, mask in boxes:
        assert box.dtype == np.float32
        assert (box >= 0).all()
        assert (box <= 1).all()
        assert (box[:2] < box[2:]).all()
        low, high = np.floor(box[:2] * 64).astype(int), np.ceil(box[2:] * 64).astype(int)
        assert mask[low[1] : high[1], low[0] : high[0]].mean() > 0.2


def test_pictures_without_box_are_cut_by_an_edge() -> None:
    missing = [drawing for drawing in (draw(2, i, 32) for i in range(300)) if drawing.box is None]
    assert missing
    for drawing in missing:
        edges = (drawing.mask[0], drawing.mask[-1], drawing.mask[:, 0], drawing.mask[:, -1])
        assert any(edge.any() for edge in edges)


def test_classes_are_balanced(drawings: list[Drawing]) -> None:
    assert 0.4 < np.mean([drawing.species for drawing in drawings]) < 0.6
    assert np.bincount([drawing.coat for drawing in drawings]).min() > 50


def test_animals_are_neither_specks_nor_all_of_the_picture(drawings: list[Drawing]) -> None:
    area = np.array([drawing.mask.mean() for drawing in drawings])
    assert ((area > 0.05) & (area < 0.65)).mean() >= 0.95
    assert area.min() > 0.01


def test_colour_does_not_tell_cat_from_dog(drawings: list[Drawing]) -> None:
    species = np.array([drawing.species for drawing in drawings])
    animal = np.array([drawing.image[drawing.mask > 0].mean(axis=0) for drawing in drawings])
    around = np.array([drawing.image[drawing.mask == 0].mean(axis=0) for drawing in drawings])
    for colour in (animal, around):
        apart = np.abs(colour[species == 0].mean(axis=0) - colour[species == 1].mean(axis=0))
        assert (apart < 0.3 * colour.std(axis=0)).all()


def test_split_is_consecutive_and_complete() -> None:
    dataset = Shapes(train=5, val=3, test=2)
    parts = dataset.split()
    assert parts.train + parts.val + parts.test == tuple(range(10))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (5, 3, 2)
    assert len(dataset) == 10
    names = [dataset.name(index) for index in range(10)]
    assert len(set(names)) == 10
    assert dataset.name(parts.test[0]) == "test-00000.png"


def test_more_training_images_leave_the_others_as_they_are() -> None:
    small, large = Shapes(train=4, val=2, test=2), Shapes(train=9, val=2, test=2)
    for part in ("train", "val", "test"):
        numbers = getattr(small.split(), part)
        same = getattr(large.split(), part)[: len(numbers)]
        for one, two in zip(numbers, same, strict=True):
            np.testing.assert_array_equal(small.read(one, 32).image, large.read(two, 32).image)


def test_parts_hold_different_pictures() -> None:
    dataset = Shapes(train=1, val=1, test=1)
    train, val, test = (dataset.read(index, 32).image for index in range(3))
    assert (train != val).any()
    assert (val != test).any()


def test_reads_256_pixels_where_no_size_is_named() -> None:
    sample = Shapes().read(0)
    assert sample.image.shape == (256, 256, 3)
    assert Shapes().sources(0) == ()


def test_options_key_names_every_option() -> None:
    options: tuple[dict[str, Any], ...] = ({}, {"seed": 1}, {"train": 1}, {"val": 1}, {"test": 1})
    assert len({Shapes(**option).options_key() for option in options}) == len(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": Path("pets")}, "takes no --root"),
        ({"split": "paper"}, "paper.*generated"),
        ({"train": 0}, r"train 0.*at least 1"),
        ({"val": -1}, r"val -1.*at least 1"),
        ({"test": 0}, r"test 0.*at least 1"),
        ({"seed": -1}, r"seed -1.*at least 0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        Shapes(**options)
    assert "\n" not in str(error.value)


def test_an_index_out_of_range_is_an_error() -> None:
    with pytest.raises(IndexError, match="0 to 2"):
        Shapes(train=1, val=1, test=1).read(3)


def test_kind_is_species_and_coat() -> None:
    kinds, species = (Shapes(train=12, val=1, test=1, label=label) for label in ("kind", "species"))
    assert len(kinds.label_classes) == 8
    for index in range(12):
        kind, which = kinds.read(index, 32).label, species.read(index, 32).label
        assert kind is not None
        assert which is not None
        coat = draw(0, index, 32).coat
        assert kinds.label_classes[kind] == f"{COATS[coat]} {species.label_classes[which]}"
    assert kinds.options_key() != species.options_key()
