"""Pixels that no disk has room for: decoded when a batch asks for them (``data.cache none``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.arrays import DecodedArrays
from auxseg.data.base import Dataset
from auxseg.data.cache import decoded
from auxseg.errors import UnreadableImageError
from auxseg.types import IGNORE_INDEX, Sample


class Live:
    """Looks like an array (N, …) of uint8 that is made of a data set, image by image.

    Args:
        take: what is kept of an image and its labels.
        shape: of it.
    """

    def __init__(
        self, dataset: Dataset, size: int, take: Callable[[Sample], np.ndarray], *shape: int
    ) -> None:
        self.dataset, self.size, self.take = dataset, size, take
        self.shape = (len(dataset), *shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if np.ndim(rows) == 0:
            return self.take(read(self.dataset, int(rows), self.size))
        found = [self.take(read(self.dataset, int(row), self.size)) for row in rows]
        return np.stack(found) if found else np.zeros((0, *self.shape[1:]), np.uint8)


def read(dataset: Dataset, index: int, size: int) -> Sample:
    """An image at its training size; black where it cannot be read, as in a cache."""
    try:
        return dataset.read(index, size)
    except UnreadableImageError:
        return Sample(np.zeros((size, size, 3), np.uint8))


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
    def open(cls, dataset: Dataset, size: int, cache_dir: Path | None = None) -> LiveArrays:
        """As :func:`auxseg.data.cache.decoded`; reads every image once, for its labels."""
        arrays = decoded(dataset, size, cache_dir, keep="none")
        kept = {item.name: getattr(arrays, item.name) for item in fields(arrays)}
        kept["images"] = Live(dataset, size, _image, size, size, 3)
        kept["masks"] = Live(dataset, size, _mask, size, size)
        return cls(**kept)

    def __reduce__(self) -> tuple[Any, ...]:
        values = tuple(
            np.array(value) if isinstance(value, np.memmap) else value
            for value in (getattr(self, item.name) for item in fields(self))
        )
        return type(self), values

    def pixels(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images: Any = self.images
        samples = [read(images.dataset, int(row), images.size) for row in rows]
        if not samples:
            return self.images[rows], self.masks[rows]
        return np.stack([*map(_image, samples)]), np.stack([*map(_mask, samples)])
