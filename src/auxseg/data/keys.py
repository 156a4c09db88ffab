"""What asks for an image: its random numbers follow from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One image, or one window of it, in one epoch.

    Attributes:
        epoch: part of the key of the image's random numbers.
        index: the image's number in its data set.
        counted: False for an image repeated only to give every process equally many.
        tile: of images that are seen through windows, the number of the tile; None for a window at
            random.
    """

    epoch: int
    index: int
    counted: bool = True
    tile: int | None = None
