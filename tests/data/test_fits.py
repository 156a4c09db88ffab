"""Ways of fitting photos of any shape into squares: what all share, and each one's own promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from auxseg.data.cache import cache_key
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.decode import stretch
from auxseg.data.fits import FITS, Letterbox, Stretch, Tile
from auxseg.types import IGNORE_INDEX, Sample

SIDES = st.integers(1, 90)


def sample(height: int, width: int, seed: int = 0) -> Sample:
    """A photo with a mask of four classes and a box."""
    draw = np.random.default_rng((height, width, seed))
    corners = np.sort(draw.random((2, 2)), axis=0)
    return Sample(
        image=draw.integers(0, 256, (height, width, 3), dtype=np.uint8),
        mask=draw.integers(0, 4, (height, width), dtype=np.uint8),
        label=2,
        box=corners.ravel().astype(np.float32),
    )


@pytest.mark.parametrize("name", FITS)
@settings(deadline=None)
@given(height=SIDES, width=SIDES, size=st.integers(8, 64))
def test_a_picture_is_a_square_without_new_classes(
    name: str, height: int, width: int, size: int
) -> None:
    photo = sample(height, width)
    before = photo.image.copy(), photo.mask.copy()  # type: ignore[union-attr]
    picture = FITS[name](size).picture(photo)
    assert picture.image.shape == (size, size, 3)
    assert picture.image.dtype == picture.mask.dtype == np.uint8  # type: ignore[union-attr]
    assert picture.mask.shape == (size, size)  # type: ignore[union-attr]
    assert set(np.unique(picture.mask)) <= {0, 1, 2, 3, IGNORE_INDEX}
    assert picture.label == photo.label
    for old, new in zip(before, (photo.image, photo.mask), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", FITS)
def test_labels_that_are_missing_stay_missing(name: str) -> None:
    bare = FITS[name](16).kept(Sample(sample(20, 30).image))
    assert (bare.mask, bare.label, bare.box) == (None, None, None)


def test_the_key_tells_apart_what_is_kept(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.fromarray(sample(20, 30).image).save(tmp_path / "images" / "a.png")
    Image.fromarray(sample(20, 30).mask).save(tmp_path / "masks" / "a.png")
    fits = [Stretch(16), Stretch(24), Letterbox(16), Letterbox(24), Tile(16), Tile(16, 0.5)]
    assert len({cache_key(Folder(tmp_path), fit) for fit in fits}) == len(fits)
    # Crops of any size are cut from the same photos.
    assert cache_key(Folder(tmp_path), Tile(16)) == cache_key(Folder(tmp_path), Tile(24))


def test_stretched_photos_fill_the_square() -> None:
    photo = sample(20, 30)
    np.testing.assert_array_equal(Stretch(16).kept(photo).image, stretch(photo, 16).image)
    assert Stretch(16).part(20, 30).relative(16) == (0, 0, 1, 1)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, size=st.integers(8, 64))
def test_a_letterboxed_photo_keeps_its_shape(height: int, width: int, size: int) -> None:
    kept, part = Letterbox(size).kept(sample(height, width)), Letterbox(size).part(height, width)
    assert max(part.height, part.width) == size
    # To half a pixel, and a side has one pixel at least.
    longer = max(height, width)
    assert part.height == max(1, round(size * height / longer))
    assert part.width == max(1, round(size * width / longer))
    inside = np.zeros((size, size), bool)
    inside[part.top : part.top + part.height, part.left : part.left + part.width] = True
    assert (kept.mask[~inside] == IGNORE_INDEX).all()  # type: ignore[index]
    assert (kept.mask[inside] != IGNORE_INDEX).all()  # type: ignore[index]
    assert kept.extent == (part.width / size, part.height / size)


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (40, 40), (30, 120)])
def test_pillow_pads_a_letterboxed_photo_alike(shape: tuple[int, int]) -> None:
    mask = sample(*shape).mask
    kept = Letterbox(30).kept(sample(*shape)).mask
    padded = ImageOps.pad(
        Image.fromarray(mask), (30, 30), Image.Resampling.NEAREST, color=IGNORE_INDEX
    )
    np.testing.assert_array_equal(kept, np.asarray(padded))


@settings(deadline=None)
@given(height=st.integers(8, 90), width=st.integers(8, 90))
def test_a_letterboxed_box_is_where_it_was_in_the_photo(height: int, width: int) -> None:
    """A box drawn into the mask, and the box, are at the same place afterwards."""
    size, photo = 64, sample(height, width)
    box = np.array([0.25, 0.5, 0.75, 1.0], np.float32)
    kept = Letterbox(size).kept(Sample(photo.image, box=box))
    area = np.array(Letterbox(size).part(height, width).relative(size))
    assert kept.box is not None
    np.testing.assert_allclose(kept.box[:2], area[:2] + box[:2] * (area[2:] - area[:2]), atol=1e-6)
    back = (kept.box - np.tile(area[:2], 2)) / np.tile(area[2:] - area[:2], 2)
    np.testing.assert_allclose(back, box, atol=1e-5)


def test_tiles_keep_photos_at_their_size() -> None:
    photo = sample(40, 61)
    assert Tile(16).kept(photo) is photo
    assert Tile(16, 0.5).kept(photo).image.shape == (20, 30, 3)
    assert Tile(16, 2.0).kept(photo).mask.shape == (80, 122)  # type: ignore[union-attr]


def test_the_example_of_a_tile_is_the_middle_of_the_photo() -> None:
    photo = sample(40, 60)
    np.testing.assert_array_equal(Tile(16).picture(photo).image, photo.image[12:28, 22:38])
    shown, scaled = Tile(16, 0.5).example(photo), Tile(16, 0.5).picture(photo)
    np.testing.assert_array_equal(shown.image, photo.image[4:36, 14:46])
    np.testing.assert_array_equal(scaled.image, stretch(shown, 16).image)
