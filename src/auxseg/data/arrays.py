"""A data set's images and labels as arrays, and the files of a cache folder that hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.crops import Crops
from auxseg.data.keys import Key
from auxseg.types import IGNORE_INDEX, Sample

#: The file that says what a finished cache folder holds; its date is that of the last use.
META = "meta.json"

#: The file of pixels of photos that are kept at sizes of their own: one after the other, the RGB
#: values of each, then its mask.
PIXELS = "pixels.bin"

#: Name of every array → dtype and shape.
Layout = dict[str, tuple[type, tuple[int, ...]]]


class Ragged:
    """Looks like an array (N, H, W, …) of uint8 whose images have sizes of their own.

    Args:
        flat: uint8, the pixels of all images.
        starts: int64 (N,), where each begins.
        sizes: int32 (N, 2), height and width.
        channels: what follows height and width: (3,), or nothing.
    """

    def __init__(
        self, flat: np.ndarray, starts: np.ndarray, sizes: np.ndarray, channels: tuple[int, ...]
    ) -> None:
        self.flat, self.starts, self.sizes, self.channels = flat, starts, sizes, channels

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> np.ndarray:
        shape = (*map(int, self.sizes[row]), *self.channels)
        first = int(self.starts[row])
        return self.flat[first : first + math.prod(shape)].reshape(shape)


@dataclass(frozen=True, eq=False)
class DecodedArrays:
    """A data set's images and labels, memory-mapped read-only; N images.

    Pickling hands over the folder's name only, so loader workers map the same pages and copy
    no pixels.

    Attributes:
        images: uint8 (N, S, S, 3), RGB; zeros where the image is unreadable. Where ``crops`` are
            cut, each image has a size of its own.
        masks: uint8 (N, S, S), class indices; :data:`~auxseg.types.IGNORE_INDEX` without a mask.
        labels: int64 (N,); :data:`~auxseg.types.NO_LABEL` without a class.
        boxes: float32 (N, 4), xyxy in [0, 1]; NaN without a box.
        has_mask: bool (N,).
        readable: bool (N,); False for images that are to be left out.
        digests: uint64 (N,), equal for images of equal pixels; see :func:`digest`.
        prints: uint64 (N,), nearly equal for images that look alike; see :func:`fingerprint`.
        folder: where the arrays lie.
        problems: one line for each unreadable image.
        notes: what is odd about all images together.
        extents: float32 (N, 2), the share of each picture's width and height that the photo takes;
            None where it takes all of every picture.
        sizes: int32 (N, 2), height and width, of images with sizes of their own; else None.
        counts: int64 (N, 256), pixels of each class, of such images; else None.
        crops: how windows are cut out of such images.
    """

    images: Any
    masks: Any
    labels: np.ndarray
    boxes: np.ndarray
    has_mask: np.ndarray
    readable: np.ndarray
    digests: np.ndarray
    prints: np.ndarray
    folder: Path
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    extents: np.ndarray | None = None
    sizes: np.ndarray | None = None
    counts: np.ndarray | None = None
    crops: Crops | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_again, (self.folder, self.crops)

    def photo(self, row: int) -> Sample:
        """An image with its mask, as kept."""
        mask = self.masks[row] if self.has_mask[row] else None
        return Sample(self.images[row], mask=mask)

    def pixels(self, keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, S, S, 3) and masks (n, S, S) of some images, as copies."""
        if self.crops is None:
            rows = np.array([key.index for key in keys], dtype=np.int64)
            return self.images[rows], self.masks[rows]
        side = self.crops.size
        images = np.empty((len(keys), side, side, 3), np.uint8)
        masks = np.full((len(keys), side, side), IGNORE_INDEX, np.uint8)
        for place, key in enumerate(keys):
            window = self._window(key)
            images[place] = window.image
            if window.mask is not None:
                masks[place] = window.mask
        return images, masks

    def _window(self, key: Key) -> Sample:
        assert self.crops is not None
        assert self.counts is not None
        photo = self.photo(key.index)
        if key.tile is not None:
            return self.crops.tile(photo, key.tile)
        return self.crops.random(photo, self.counts[key.index], key.epoch, key.index)


def _load_again(folder: Path, crops: Crops | None) -> DecodedArrays:
    return replace(load_arrays(folder), crops=crops)


def load_arrays(folder: Path) -> DecodedArrays:
    """Maps the arrays of a finished cache folder; those of pixels are empty where it has none."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    names = layout(0, meta["side"], pixels=meta["pixels"])
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names
    }
    starts = arrays.pop("starts", None)
    if starts is not None:
        path = folder / PIXELS
        flat = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
        sizes = arrays["sizes"]
        arrays["images"] = Ragged(flat, starts, sizes, (3,))
        arrays["masks"] = Ragged(flat, starts + 3 * sizes.prod(axis=1, dtype=np.int64), sizes, ())
    if "images" not in arrays:
        nothing = np.zeros((len(arrays["labels"]), 0, 0), np.uint8)
        arrays = {"images": nothing, "masks": nothing, **arrays}
    if bool((arrays["extents"] == 1).all()):
        arrays["extents"] = None
    problems, notes = (tuple(meta[name]) for name in ("problems", "notes"))
    return DecodedArrays(**arrays, folder=folder, problems=problems, notes=notes)


def bytes_of(shapes: Layout) -> int:
    """What arrays of these shapes take."""
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in shapes.values())


def layout(count: int, side: int | None, *, pixels: bool) -> Layout:
    """The arrays of so many images.

    Args:
        side: S, where all are squares of S×S pixels; None where each has a size of its own.
        pixels: whether they are kept. Those of images with sizes of their own are no array
            (:data:`PIXELS`).
    """
    found: Layout = {}
    if side is None:
        found["sizes"] = (np.int32, (count, 2))
        found["counts"] = (np.int64, (count, 256))
        if pixels:
            found["starts"] = (np.int64, (count,))
    elif pixels:
        found["images"] = (np.uint8, (count, side, side, 3))
        found["masks"] = (np.uint8, (count, side, side))
    return {
        **found,
        "labels": (np.int64, (count,)),
        "boxes": (np.float32, (count, 4)),
        "has_mask": (np.bool_, (count,)),
        "readable": (np.bool_, (count,)),
        "digests": (np.uint64, (count,)),
        "prints": (np.uint64, (count,)),
        "extents": (np.float32, (count, 2)),
    }
