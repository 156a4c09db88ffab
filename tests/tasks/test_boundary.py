"""Boundary targets against SciPy's distances, on drawn and on real masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from auxseg.data.decode import read_mask
from auxseg.tasks.boundary import Boundary, near_border
from auxseg.tasks.lines import UNKNOWN
from auxseg.types import IGNORE_INDEX, ClassNames, LabelledImages, Sample

CLASSES = ClassNames(("background", "cat", "dog"), ())
Images = Callable[..., LabelledImages]


def by_scipy(mask: np.ndarray) -> np.ndarray:
    """Distance to the nearest pixel of another class at most 2."""
    near = np.zeros(mask.shape, dtype=bool)
    for number in np.unique(mask[mask != IGNORE_INDEX]):
        others = (mask != number) & (mask != IGNORE_INDEX)
        if others.any():
            near |= (mask == number) & (distance_transform_edt(~others) <= 2)
    return near


def drawn(seed: int) -> np.ndarray:
    """uint8 (40, 56): blobs of three classes, and some pixels without one."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 3, (5, 7), dtype=np.uint8)
    mask = np.kron(coarse, np.ones((8, 8), np.uint8))
    mask[draw.random(mask.shape) < 0.05] = IGNORE_INDEX
    return mask


@pytest.mark.parametrize("seed", range(4))
def test_it_is_scipy_s_distance(seed: int) -> None:
    mask = drawn(seed)
    found = near_border(torch.from_numpy(mask)[None])[0].numpy()
    assert np.array_equal(found, by_scipy(mask))
    assert 0 < found.mean() < 1


def test_it_is_scipy_s_distance_on_real_masks(shared: Path) -> None:
    folder = shared / "data" / "oxford-iiit-pet" / "annotations" / "trimaps"
    for path in sorted(folder.glob("[A-Za-z]*.png"))[::80]:
        mask = read_mask(path) - 1
        found = near_border(torch.from_numpy(mask)[None])[0].numpy()
        assert np.array_equal(found, by_scipy(mask)), path


def test_pixels_without_a_class_are_unknown_and_make_no_border(random_images: Images) -> None:
    images = random_images(count=2, size=16)
    mask = torch.zeros_like(images.mask)
    mask[0, :8] = IGNORE_INDEX
    mask[1] = IGNORE_INDEX
    target = Boundary(CLASSES).target(replace(images, mask=mask))
    assert target.present.tolist() == [True, False]
    assert bool((target.value[0, 0, :8] == UNKNOWN).all())
    assert float(target.value[0, 0, 8:].sum()) == 0


def test_unknown_pixels_cost_nothing_and_count_nowhere(random_images: Images) -> None:
    task = Boundary(CLASSES)
    images = random_images(count=1, size=16)
    images.mask[:, :8] = IGNORE_INDEX
    target = task.target(images)
    prediction = torch.randn(1, 1, 16, 16)
    changed = prediction.clone()
    changed[:, :, :8] += 5
    assert torch.equal(task.loss(prediction, target.value), task.loss(changed, target.value))
    assert torch.equal(task.counts(prediction, target.value), task.counts(changed, target.value))


def test_a_flip_commutes(random_images: Images) -> None:
    images = random_images(count=3, size=24)
    task = Boundary(CLASSES)
    flipped = task.target(replace(images, mask=images.mask.flip(-1))).value
    assert torch.equal(flipped, task.target(images).value.flip(-1))


def test_the_truth_at_the_photo_s_size() -> None:
    mask = drawn(0)
    found = Boundary(CLASSES).label(Sample(np.zeros((40, 56, 3), np.uint8), mask=mask))
    assert found is not None
    assert np.array_equal(found, by_scipy(mask))
    assert Boundary(CLASSES).label(Sample(np.zeros((4, 4, 3), np.uint8))) is None
