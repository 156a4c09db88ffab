"""What all caches take of the disk: listed, pruned by age, and kept below a limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.arrays import DecodedArrays
from auxseg.data.cache import decoded
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.fits import Stretch
from auxseg.data.stored import DAY, prune, stored
from auxseg.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photos without labels."""
    (tmp_path / "photos").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def cached(photos: Path, size: int, store: Path, limit: float | None = None) -> DecodedArrays:
    return decoded(Folder(photos), Stretch(size), store, limit=limit)


def last_used(arrays: DecodedArrays, days: float) -> None:
    before = time.time() - days * DAY
    os.utime(arrays.folder / "meta.json", (before, before))


def sizes(store: Path) -> list[int]:
    return [int(one.fit.split("×")[0]) for one in stored(store)]


def test_caches_that_were_not_used_for_long_are_removed(photos: Path, store: Path) -> None:
    old, new = (cached(photos, size, store) for size in (8, 9))
    (store / "decoded" / "strange").mkdir()
    last_used(old, 40)
    assert [one.folder for one in stored(store)] == [old.folder, new.folder]
    assert [one.fit for one in prune(30, store)] == ["8×8"]
    assert sizes(store) == [9]
    last_used(new, 40)
    cached(photos, 9, store)  # opening it is using it
    assert prune(30, store) == []


def test_a_limit_takes_those_that_were_not_used_for_longest(photos: Path, store: Path) -> None:
    for size, days in ((40, 3), (41, 9), (42, 6)):
        last_used(cached(photos, size, store), days)
    taken = {int(one.fit.split("×")[0]): one.bytes for one in stored(store)}
    limit = (taken[40] + taken[42] + 1.1 * taken[42]) / 1e9  # room for three, but not for four
    arrays = cached(photos, 43, store, limit)
    assert arrays.images.shape == (6, 43, 43, 3)
    assert sizes(store) == [42, 40, 43]
    last_used(arrays, 1)  # else the next use may fall into the same tick of the file system's clock
    cached(photos, 42, store, limit)  # what is there takes no further room
    assert sizes(store) == [40, 43, 42]


def test_what_goes_for_a_limit_is_told(
    photos: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = cached(photos, 40, store)
    last_used(old, 3)
    cached(photos, 41, store, 1.5 * stored(store)[0].bytes / 1e9)
    (line,) = capsys.readouterr().err.splitlines()
    assert str(old.folder) in line
    assert "3 days ago): --data.cache_limit" in line


def test_caches_of_the_last_hour_stay(photos: Path, store: Path) -> None:
    cached(photos, 40, store)
    limit = 1.5 * stored(store)[0].bytes / 1e9
    with pytest.raises(DataError, match=r"more than --data\.cache_limit .*--data\.cache none"):
        cached(photos, 41, store, limit)
    assert sizes(store) == [40]


def test_a_cache_larger_than_the_limit(photos: Path, store: Path) -> None:
    with pytest.raises(DataError, match=r"needs 0\.00 GB, and .* take 0\.00: more than"):
        cached(photos, 40, store, 1e-6)
    assert sizes(store) == []
