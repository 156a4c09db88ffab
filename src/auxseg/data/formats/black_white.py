"""Masks of 0 and 255: black is the background, white the one class that was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Options
from auxseg.data.formats.contents import Survey, grey_values, is_black_and_white
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import PictureFormat, ReadMask, names_for
from auxseg.errors import DataError

#: What is white; values between, of JPEG or interpolation, go to the nearer end.
HALF = 128


class BlackWhite(PictureFormat):
    """Grey masks of 0 and 255, also where JPEG or resizing left values between them."""

    NAME: ClassVar[str] = "black-white"
    TITLE: ClassVar[str] = "masks of 0 and 255"

    KIND = "black and white"
    EVIDENCE = "holds 0 and 255 alone"

    @classmethod
    def reader(
        cls, source: Path, found: Survey, options: Options, journal: Journal
    ) -> tuple[tuple[str, ...], ReadMask]:
        classes = names_for(2, source, options, journal)
        journal.decided(f"black is {classes[0]!r}, white {classes[1]!r}")
        return classes, _read


def _read(path: Path, journal: Journal) -> np.ndarray:
    values = grey_values(read_picture(path))
    if values is None:
        raise DataError("a mask in colours among masks of black and white")
    return thresholded(values, journal)


def thresholded(values: np.ndarray, journal: Journal) -> np.ndarray:
    """Grey values or transparency → 0 and 1, uint8 (H, W).

    Raises:
        DataError: the values are not those of black and white.
    """
    if values.dtype == np.uint8 and values.any() and values.max() == 1:
        values = values * 255  # a picture of one bit
    if values.any() and not is_black_and_white(values):
        some = np.unique(values[(values > 0) & (values < 255)])[:4].tolist()
        raise DataError(f"holds {some} beside black and white")
    if ((values > 0) & (values < 255)).any():
        journal.repaired("values between black and white, taken for the nearer one")
    return (values >= HALF).astype(np.uint8)
