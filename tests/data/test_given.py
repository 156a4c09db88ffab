"""Photos that come as arrays are read rightly or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from auxseg.data.given import as_photo
from auxseg.errors import UsageError

PHOTO = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_what_is_one_already() -> None:
    np.testing.assert_array_equal(as_photo(PHOTO), PHOTO)


@pytest.mark.parametrize("grey", [PHOTO[..., 0], PHOTO[..., :1]], ids=["2", "3"])
def test_grey(grey: np.ndarray) -> None:
    np.testing.assert_array_equal(as_photo(grey), np.dstack([PHOTO[..., 0]] * 3))


def test_an_alpha_channel_is_dropped() -> None:
    np.testing.assert_array_equal(as_photo(np.dstack([PHOTO, PHOTO[..., :1]])), PHOTO)


def test_sixteen_bits() -> None:
    np.testing.assert_array_equal(as_photo(PHOTO.astype(np.uint16) * 256 + 255), PHOTO)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 0, 3), np.uint8), "shape (0, 0, 3)"),
        (np.zeros((4, 4, 2), np.uint8), "shape (4, 4, 2)"),
        (np.zeros((3, 8, 9), np.uint8), "transpose(1, 2, 0)"),
        (np.zeros(5, np.uint8), "shape (5,)"),
        (np.zeros((4, 4, 3), np.float32), "astype(numpy.uint8)"),
        (np.full((4, 4, 3), np.nan), "float64"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
    ],
)
def test_what_is_none(array: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError) as found:
        as_photo(array)
    assert words in str(found.value)
