"""Pixels that no disk has room for: decoded when a batch asks for them (``data.cache none``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.arrays import DecodedArrays
from auxseg.data.base import Dataset
from auxseg.data.cache import decoded
from auxseg.data.fits import Fit
from auxseg.data.keys import Key
from auxseg.errors import UnreadableImageError
from auxseg.types import IGNORE_INDEX, Sample


class Live:
    """Looks like an array (N, …) of uint8 that is made of a data set, image by image.

    Args:
        take: what is kept of an image and its labels.
    """

    def __init__(self, dataset: Dataset, fit: Fit, take: Callable[[Sample], np.ndarray]) -> None:
        self.dataset, self.fit, self.take = dataset, fit, take

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.take(read(self.dataset, self.fit, int(row)))


def read(dataset: Dataset, fit: Fit, index: int) -> Sample:
    """An image as it is kept; black where it cannot be read, as in a cache."""
    try:
        return fit.read(dataset, index)
    except UnreadableImageError:
        return Sample(np.zeros((fit.size, fit.size, 3), np.uint8))


def _image(sample: Sample) -> np.ndarray:
    return sample.image


def _mask(sample: Sample) -> np.ndarray:
    if sample.mask is None:
        return np.full(sample.image.shape[:2], IGNORE_INDEX, np.uint8)
    return sample.mask


@dataclass(frozen=True, eq=False)
class LiveArrays(DecodedArrays):
    """Labels from the cache, pixels from the files. Pickling hands over the data set."""

    @classmethod
    def open(cls, dataset: Dataset, fit: Fit, cache_dir: Path | None = None) -> LiveArrays:
        """As :func:`auxseg.data.cache.decoded`; reads every image once, for its labels."""
        arrays = decoded(dataset, fit, cache_dir, keep="none")
        kept = {item.name: getattr(arrays, item.name) for item in fields(arrays)}
        kept["images"] = Live(dataset, fit, _image)
        kept["masks"] = Live(dataset, fit, _mask)
        return cls(**kept)

    def __reduce__(self) -> tuple[Any, ...]:
        values = tuple(
            np.array(value) if isinstance(value, np.memmap) else value
            for value in (getattr(self, item.name) for item in fields(self))
        )
        return type(self), values

    def photo(self, row: int) -> Sample:
        return read(self.images.dataset, self.images.fit, row)

    def pixels(self, keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
        if self.crops is not None:
            return super().pixels(keys)
        side = self.images.fit.size
        images = np.empty((len(keys), side, side, 3), np.uint8)
        masks = np.empty((len(keys), side, side), np.uint8)
        for place, key in enumerate(keys):
            photo = self.photo(key.index)
            images[place], masks[place] = _image(photo), _mask(photo)
        return images, masks
