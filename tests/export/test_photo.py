"""Files that take photos as they are: cv2 and the predictor are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from auxseg.data.fits import FITS, Fit, Tile
from auxseg.export.answers import box, mask, probabilities
from auxseg.export.network import ShippedNetwork
from auxseg.export.photo import PhotoNetwork
from auxseg.export.resizing import sides
from auxseg.tasks.bbox import BoundingBox
from auxseg.tasks.enlarge import largest_enlarged
from auxseg.types import ClassNames, Sample

from .test_network import trained

SIZE = 32
WHOLE = [name for name, fit in FITS.items() if fit.WHOLE]


@pytest.fixture(scope="module")
def networks() -> dict[str, PhotoNetwork]:
    """A network for each fit."""
    model, views = trained("mtan-unet-3task")
    names = ("segmentation", "classification", "bbox")
    shipped = ShippedNetwork(model, views, names, SIZE)
    return {name: PhotoNetwork(shipped, FITS[name](SIZE)) for name in WHOLE}


def photo(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """Colours of all kinds, smooth in parts as photos are."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (height // 7 + 1, width // 7 + 1, channels))
    smooth = coarse.repeat(7, axis=0).repeat(7, axis=1)[:height, :width]
    return np.clip(smooth + draw.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


def picture(network: PhotoNetwork, array: np.ndarray) -> np.ndarray:
    """(S, S, 3), what the network is shown."""
    given = torch.from_numpy(array)[None]
    shown = network.picture(given, *sides(*array.shape[:2], network.fit))
    return shown[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("fit", WHOLE)
@given(st.integers(1, 150), st.integers(1, 150))
@example(32, 32)
@example(64, 64)  # 2 × 2 pixels, which cv2 averages in whole numbers
@example(96, 160)
@example(150, 20)  # one side shrinks, the other grows, pixels are lost
@example(20, 40)  # the same, and pixels are won
@example(1, 150)  # letterbox: less than half a pixel high
@example(9, 9)
@settings(max_examples=20)
def test_pictures_are_those_of_cv2(
    fit: str, networks: dict[str, PhotoNetwork], height: int, width: int
) -> None:
    array = photo(height, width)
    expected = FITS[fit](SIZE).kept(Sample(array)).image.astype(float)
    difference = np.abs(picture(networks[fit], array) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.35  # halves are rounded to even, or up


@pytest.mark.parametrize("fit", WHOLE)
def test_a_picture_of_the_network_s_size_stays_as_it_is(
    fit: str, networks: dict[str, PhotoNetwork]
) -> None:
    array = photo(SIZE, SIZE)
    assert (picture(networks[fit], array) == array).all()
    alpha = np.full((SIZE, SIZE), 7, np.uint8)
    assert (picture(networks[fit], np.dstack([array, alpha])) == array).all()
    for grey in (array[..., :1], np.dstack([array[..., 0], alpha])):
        assert (picture(networks[fit], grey) == array[..., :1]).all()


def part(raw: Tensor, fit: Fit, height: int, width: int) -> Tensor:
    """Of (K, S, S) what stands for the photo."""
    top, left, rows, columns = fit.part(height, width)
    return raw[:, top : top + rows, left : left + columns]


@pytest.mark.parametrize("fit", WHOLE)
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("size", [(32, 32), (70, 45), (9, 130), (1, 1), (300, 200)])
def test_masks_are_those_of_the_enlarged_logits(
    fit: str, classes: int, size: tuple[int, int]
) -> None:
    draw = torch.Generator().manual_seed(0)
    raw = torch.randn(2, classes, SIZE, SIZE, generator=draw)
    made = FITS[fit](SIZE)
    found = mask(raw, *sides(*size, made))
    assert found.dtype == torch.uint8
    for row in range(2):
        expected = largest_enlarged(part(raw[row], made, *size), size)
        assert found[row].shape == expected.shape
        # Rounding may tip a pixel between two classes.
        assert float((found[row] != expected).double().mean()) < 1e-3


@pytest.mark.parametrize("fit", WHOLE)
@pytest.mark.parametrize("size", [(32, 32), (70, 45), (9, 130)])
def test_boxes_are_those_of_the_predictor(fit: str, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    raw = torch.randn(20, 4, generator=draw) / 2
    task = BoundingBox(ClassNames(("background", "animal"), ()))
    made = FITS[fit](SIZE)
    area = made.part(*size).relative(SIZE)
    found = box(raw, *sides(*size, made))
    for row in range(20):
        expected = task.decode(task.within(raw[row], area), size)
        assert found[row].tolist() == pytest.approx(expected, abs=0.01)


def test_probabilities_sum_to_one() -> None:
    found = probabilities(torch.tensor([[1.0, 1.0, 1.0], [0.0, 100.0, 0.0]]), *[None] * 2)  # type: ignore[arg-type]
    assert found.tolist() == [pytest.approx([1 / 3] * 3), pytest.approx([0, 1, 0])]


def test_a_batch_has_the_answers_of_each(networks: dict[str, PhotoNetwork]) -> None:
    photos = torch.from_numpy(np.stack([photo(50, 41, seed) for seed in range(3)]))
    with torch.no_grad():
        together = networks["letterbox"](photos)
        alone = [networks["letterbox"](one[None]) for one in photos]
    assert list(together) == [
        *("mask", "probabilities", "box"),
        *("segmentation", "classification", "bbox"),
    ]
    assert together["mask"].shape == (3, 50, 41)
    for name, values in together.items():
        expected = torch.cat([one[name] for one in alone])
        assert float((values.double() - expected.double()).abs().max()) < 1e-3, name


def test_tiles_are_cut_outside(networks: dict[str, PhotoNetwork]) -> None:
    with pytest.raises(ValueError, match="whole photo"):
        PhotoNetwork(networks["stretch"].network, Tile(SIZE))
