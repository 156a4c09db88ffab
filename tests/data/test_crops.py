"""Windows in photos: where they lie, what they hold, and that the same key gives the same one."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.data import cache
from auxseg.data.arrays import DecodedArrays
from auxseg.data.cache import decoded
from auxseg.data.crops import Crops, cut, starts
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.fits import Tile
from auxseg.data.keys import Key
from auxseg.data.live import LiveArrays
from auxseg.data.loaders import Batches, EpochSampler, Reader, make_loader
from auxseg.data.padding import PADDING
from auxseg.errors import DataError
from auxseg.types import IGNORE_INDEX, Sample

#: Height and width of the photos on the disk: larger than a window, as large, and smaller.
SHAPES = [(40, 50), (16, 16), (10, 30), (33, 17)]
SIZE = 16


def photo(height: int, width: int, seed: int = 0) -> Sample:
    draw = np.random.default_rng((height, width, seed))
    return Sample(
        image=draw.integers(0, 256, (height, width, 3), dtype=np.uint8),
        mask=draw.integers(0, 3, (height, width), dtype=np.uint8),
    )


def counts(sample: Sample) -> np.ndarray:
    assert sample.mask is not None
    return np.bincount(sample.mask.ravel(), minlength=256)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("images", "masks"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    for number, shape in enumerate(SHAPES):
        one = photo(*shape)
        Image.fromarray(one.image).save(tmp_path / "photos" / "images" / f"{number}.png")
        if number != 2:
            Image.fromarray(one.mask).save(tmp_path / "photos" / "masks" / f"{number}.png")
    return tmp_path / "photos"


# -- where windows begin ------------------------------------------------------------------------


@settings(deadline=None)
@given(length=st.integers(1, 400), size=st.integers(4, 64), part=st.floats(0, 0.9))
def test_windows_cover_a_length_and_share_enough(length: int, size: int, part: float) -> None:
    overlap = int(part * size)
    found = starts(length, size, overlap)
    assert found[0] == 0
    if length <= size:
        assert found == [0]
        return
    assert found[-1] == length - size
    steps = np.diff(found)
    assert (steps > 0).all()
    # Rounding moves a window by half a pixel.
    assert steps.max() <= size - overlap + 1
    assert steps.max() - steps.min() <= 1
    # No window less would do.
    assert (len(found) - 1) * (size - overlap) + overlap < length


def test_windows_by_hand() -> None:
    assert starts(100, 40) == [0, 30, 60]
    assert starts(120, 40) == [0, 40, 80]
    assert starts(100, 40, 10) == [0, 30, 60]
    assert starts(40, 40) == starts(3, 40) == [0]


# -- tiles --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), size=st.integers(4, 32))
def test_every_pixel_s_label_is_in_one_tile(height: int, width: int, size: int) -> None:
    whole, crops = photo(height, width), Crops(size)
    assert whole.mask is not None
    seen, total = np.zeros((height, width), int), Counter[int]()
    rows, columns = starts(height, size), starts(width, size)
    for number in range(crops.tiles(height, width)):
        tile = crops.tile(whole, number)
        assert tile.mask is not None
        top, left = rows[number // len(columns)], columns[number % len(columns)]
        inside = tile.mask[: height - top, : width - left]
        seen[top : top + size, left : left + size] += inside != IGNORE_INDEX
        np.testing.assert_array_equal(
            tile.image[: height - top, : width - left],
            whole.image[top : top + size, left : left + size],
        )
        total.update(tile.mask[tile.mask != IGNORE_INDEX].tolist())
    assert (seen == 1).all()
    assert total == Counter(whole.mask.ravel().tolist())


def test_what_lies_beyond_the_photo_is_padding_without_a_label() -> None:
    window = cut(photo(10, 30), 0, 4, 16)
    assert window.mask is not None
    assert (window.image[10:] == PADDING).all()
    assert (window.mask[10:] == IGNORE_INDEX).all()
    np.testing.assert_array_equal(window.mask[:10], photo(10, 30).mask[:, 4:20])  # type: ignore[index]


# -- random windows -----------------------------------------------------------------------------


def test_a_key_s_window_is_always_the_same_and_others_differ() -> None:
    whole = photo(200, 300)
    crops = Crops(16, seed=3)

    def window(*key: int, seed: int = 3) -> bytes:
        found = Crops(16, seed=seed).random(whole, counts(whole), *key)
        return found.image.tobytes()

    first = crops.random(whole, counts(whole), 5, 7).image.tobytes()
    assert first == window(5, 7)
    assert len({first, window(6, 7), window(5, 8), window(5, 7, seed=4)}) == 4


def test_windows_lie_anywhere_and_as_often_at_the_edge() -> None:
    """Of 21 places along a side of 36 pixels each is taken about equally often."""
    columns = np.tile(np.arange(36, dtype=np.uint8), (36, 1))
    whole = Sample(np.repeat(columns[..., None], 3, axis=2), mask=columns % 3)
    windows = (Crops(16).random(whole, counts(whole), epoch, 0) for epoch in range(2100))
    places = Counter(int(window.image[0, 0, 0]) for window in windows)
    assert sorted(places) == list(range(21))
    assert 50 < min(places.values()) <= max(places.values()) < 150  # 100 ± 5 standard deviations


@pytest.mark.parametrize("rare", [0.0, 0.5, 1.0])
def test_a_share_lies_around_the_rare_class(rare: float) -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[100, 250] = 2
    whole = Sample(np.zeros((300, 400, 3), np.uint8), mask=mask)
    # Class 1 is none of this photo's.
    crops = Crops(16, rare=rare, frequency=(0.7, 0.299, 0.001), masked=frozenset([0]))
    held = [
        (crops.random(whole, counts(whole), epoch, 0).mask == 2).any()  # type: ignore[union-attr]
        for epoch in range(200)
    ]
    # By chance a window holds the pixel once in 400; the draw by 1 / frequency takes class 0 in
    # 1 of 700.
    assert abs(np.mean(held) - rare) < 0.12


def test_a_window_around_a_pixel_has_it_in_its_middle_or_touches_the_edge() -> None:
    for row, column in [(100, 250), (0, 0), (299, 399), (5, 200)]:
        mask = np.zeros((300, 400), np.uint8)
        mask[row, column] = 1
        whole = Sample(np.zeros((300, 400, 3), np.uint8), mask=mask)
        crops = Crops(16, rare=1.0, frequency=(1e9, 1e-9), masked=frozenset([0]))
        found = crops.random(whole, counts(whole), 0, 0)
        (place,) = np.argwhere(found.mask == 1).tolist()
        expected = [
            8 if 8 <= at <= side - 8 else at if at < 8 else at - (side - 16)
            for at, side in ((row, 300), (column, 400))
        ]
        assert place == expected


def test_without_a_mask_no_class_is_looked_for() -> None:
    bare, crops = Sample(photo(40, 50).image), Crops(16, rare=1.0, masked=frozenset([0]))
    assert crops.random(bare, np.zeros(256, int), 0, 0).image.shape == (16, 16, 3)


def test_a_mask_that_may_not_be_seen_says_nothing_of_where_to_look() -> None:
    """The same windows whatever the hidden mask (``--labels``) shows."""
    first, second = photo(200, 300), replace(photo(200, 300), mask=photo(200, 300, seed=1).mask)
    crops = Crops(16, rare=1.0, frequency=(0.4, 0.3, 0.3), masked=frozenset([7]))
    windows = [
        [crops.random(one, counts(one), epoch, 0).image.tobytes() for epoch in range(20)]
        for one in (first, second)
    ]
    assert windows[0] == windows[1]
    seen = crops.random(first, counts(first), 0, 7)
    assert seen.image.tobytes() != crops.random(second, counts(second), 0, 7).image.tobytes()


# -- kept and read again ------------------------------------------------------------------------


def opened(root: Path, store: Path, *, live: bool = False) -> DecodedArrays:
    arrays = (LiveArrays.open if live else decoded)(Folder(root), Tile(SIZE), store)
    crops = Crops(SIZE, 1, 0.5, frequency=(0.5, 0.3, 0.2), masked=frozenset([0, 3]))
    return replace(arrays, crops=crops)


def test_photos_are_kept_at_their_sizes(root: Path, tmp_path: Path) -> None:
    arrays = opened(root, tmp_path / "store")
    assert arrays.sizes is not None
    assert arrays.counts is not None
    assert arrays.sizes.tolist() == [list(shape) for shape in SHAPES]
    for number, shape in enumerate(SHAPES):
        one = photo(*shape)
        np.testing.assert_array_equal(arrays.images[number], one.image)
        if number == 2:
            assert (arrays.masks[number] == IGNORE_INDEX).all()
            assert not arrays.counts[number].any()
        else:
            np.testing.assert_array_equal(arrays.masks[number], one.mask)
            np.testing.assert_array_equal(arrays.counts[number], counts(one))
        assert not arrays.images[number].flags.writeable


def test_scaled_photos_are_kept_scaled(root: Path, tmp_path: Path) -> None:
    arrays = decoded(Folder(root), Tile(SIZE, 0.5), tmp_path)
    assert arrays.sizes is not None
    assert arrays.sizes.tolist() == [[20, 25], [8, 8], [5, 15], [16, 8]]


def test_the_same_windows_live_in_other_processes_and_after_pickling(
    root: Path, tmp_path: Path
) -> None:
    kept = opened(root, tmp_path / "kept")
    live = opened(root, tmp_path / "live", live=True)
    batches = [
        list(
            make_loader(
                Reader(arrays),
                Batches(EpochSampler(range(4), shuffle=True, seed=1), 4),
                lambda images: images,  # type: ignore[arg-type, return-value]
                num_workers=workers,
            )
        )
        for arrays, workers in (
            (kept, 0),
            (kept, 2),
            (live, 0),
            (live, 2),
            (pickle.loads(pickle.dumps(kept)), 0),
        )
    ]
    for others in batches[1:]:
        for one, other in zip(batches[0], others, strict=True):
            for name in ("image", "mask", "index", "has_mask"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_tile_by_tile_all_labels_come_once(root: Path, tmp_path: Path) -> None:
    arrays = opened(root, tmp_path)
    crops = arrays.crops
    assert crops is not None
    tiles = [crops.tiles(*shape) for shape in SHAPES]
    keys = list(EpochSampler(range(4), shuffle=False, tiles=tiles))
    assert Counter(key.index for key in keys) == dict(enumerate(tiles))
    batch = Reader(arrays).__getitems__(keys)
    for number, shape in enumerate(SHAPES):
        of_photo = batch.mask[batch.index == number].numpy()
        found = np.bincount(of_photo.ravel(), minlength=256)[:3]
        expected = counts(photo(*shape))[:3] if number != 2 else np.zeros(3)
        np.testing.assert_array_equal(found, expected)


def test_processes_share_the_tiles() -> None:
    tiles = {5: 3, 6: 1, 9: 4}
    keys = [
        key
        for rank in range(3)
        for key in EpochSampler(
            [*tiles], shuffle=False, rank=rank, world_size=3, tiles=[*tiles.values()]
        )
    ]
    counted = sorted((key.index, key.tile) for key in keys if key.counted)
    assert counted == [(index, tile) for index, count in tiles.items() for tile in range(count)]
    assert len(keys) == 9


def test_unlabelled_photos_are_cropped_as_well(root: Path, tmp_path: Path) -> None:
    arrays = opened(root, tmp_path)
    batch = Reader(arrays, None, arrays).__getitems__([Key(3, 4), Key(3, 0)])
    again = Reader(arrays).__getitems__([Key(3, 0)])
    assert not batch.has_mask[0]
    np.testing.assert_array_equal(batch.image[1], again.image[0])
    # The same photo, the same key but for the data set: the same window.
    np.testing.assert_array_equal(batch.image[0], again.image[0])


def test_a_full_disk_is_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_append", full)
    with pytest.raises(DataError, match=r"cannot write the cache .*No space left on device"):
        decoded(Folder(root), Tile(SIZE), tmp_path)
    assert not any((tmp_path / "decoded").iterdir())


def test_caches_of_photos_obey_the_limit(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data\.cache_limit"):
        decoded(Folder(root), Tile(SIZE), tmp_path, limit=15e-6)  # labels 8 kB, pixels 13 kB
    assert decoded(Folder(root), Tile(SIZE), tmp_path, limit=1e-3).folder.is_dir()
