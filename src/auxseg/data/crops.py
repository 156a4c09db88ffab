"""Windows of one size in photos of any size: at random places, near rare classes, or tile by tile.

A window is a pure function of the photo, its size and a key: neither batch nor loader process
decides where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from auxseg.data.padding import in_square
from auxseg.types import IGNORE_INDEX, Sample

#: Sets the places of crops apart from what augmentation draws of the same key.
_CROPS = 2


@dataclass(frozen=True)
class Crops:
    """How windows of S×S pixels are cut out of photos.

    Attributes:
        size: S.
        seed: of the random places.
        rare: the share of random windows that lie around a pixel of a rare class, 0 to 1.
        frequency: of each class among the pixels of the masks that may be seen in training.
        masked: the numbers of the photos with these masks; in others no class is looked for.
    """

    size: int
    seed: int = 0
    rare: float = 0.0
    frequency: tuple[float, ...] = ()
    masked: frozenset[int] = frozenset()

    def random(self, photo: Sample, counts: np.ndarray, epoch: int, index: int) -> Sample:
        """The window that a photo shows in an epoch.

        With probability ``rare``, and if its mask may be seen, it lies around a pixel of one of
        the photo's classes, drawn with weights of 1 / frequency; else anywhere.

        Args:
            counts: int (256,), the photo's pixels of every class.
            index: the photo's number.
        """
        draw = np.random.default_rng((self.seed, epoch, index, _CROPS))
        height, width = photo.image.shape[:2]
        looked_for = draw.random() < self.rare and index in self.masked
        around = self._rare_pixel(draw, photo, counts) if looked_for else None
        if around is None:
            top, left = (_anywhere(draw, side, self.size) for side in (height, width))
        else:
            sides = zip(around, (height, width), strict=True)
            top, left = (_around(place, side, self.size) for place, side in sides)
        return cut(photo, top, left, self.size)

    def _rare_pixel(
        self, draw: np.random.Generator, photo: Sample, counts: np.ndarray
    ) -> tuple[int, int] | None:
        """Row and column of a pixel of a rare class; None where no pixel has a class."""
        present = [number for number, _ in enumerate(self.frequency) if counts[number]]
        if photo.mask is None or not present:
            return None
        weights = np.array([1 / self.frequency[number] for number in present])
        chosen = draw.choice(present, p=weights / weights.sum())
        flat = np.flatnonzero(np.ravel(photo.mask) == chosen)
        row, column = divmod(int(flat[draw.integers(len(flat))]), photo.mask.shape[1])
        return row, column

    def tile(self, photo: Sample, number: int) -> Sample:
        """One of the tiles that a photo is cut into.

        Tiles overlap where the photo's sides are no multiples of S; each pixel's label is in one.
        """
        rows, columns = (starts(side, self.size) for side in photo.image.shape[:2])
        row, column = divmod(number, len(columns))
        found = cut(photo, rows[row], columns[column], self.size)
        if found.mask is None:
            return found
        mask = found.mask.copy()
        mask[: _covered(rows, row, self.size)] = IGNORE_INDEX
        mask[:, : _covered(columns, column, self.size)] = IGNORE_INDEX
        return replace(found, mask=mask)

    def tiles(self, height: int, width: int) -> int:
        """Into how many tiles a photo of this size is cut."""
        return len(starts(height, self.size)) * len(starts(width, self.size))


def starts(length: int, size: int, overlap: int = 0) -> list[int]:
    """Where windows of a size begin, so that they cover a length at equal distances.

    Args:
        length, size: in pixels; a length up to the size takes one window.
        overlap: the least that neighbours share, in pixels, below ``size``.
    """
    if length <= size:
        return [0]
    count = ceil((length - overlap) / (size - overlap))
    return [round(number * (length - size) / (count - 1)) for number in range(count)]


def cut(photo: Sample, top: int, left: int, size: int) -> Sample:
    """A window of S×S pixels as copies; what lies beyond the photo is padding without a label."""
    rows, columns = slice(top, top + size), slice(left, left + size)
    mask = None if photo.mask is None else np.array(photo.mask[rows, columns])
    image = np.array(photo.image[rows, columns])
    window = replace(photo, image=image, mask=mask)
    return window if image.shape[:2] == (size, size) else in_square(window, size)


def _covered(places: list[int], number: int, size: int) -> int:
    """How many of a window's pixels the one before it holds as well."""
    return 0 if number == 0 else places[number - 1] + size - places[number]


def _anywhere(draw: np.random.Generator, side: int, size: int) -> int:
    return int(draw.integers(max(0, side - size) + 1))


def _around(place: int, side: int, size: int) -> int:
    return int(np.clip(place - size // 2, 0, max(0, side - size)))
