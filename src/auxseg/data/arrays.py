"""A data set's images and labels as arrays, and the files of a cache folder that hold them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: The file that says what a finished cache folder holds; its date is that of the last use.
META = "meta.json"

#: Name of every array → dtype and shape.
Layout = dict[str, tuple[type, tuple[int, ...]]]


@dataclass(frozen=True, eq=False)
class DecodedArrays:
    """A data set's images and labels, memory-mapped read-only; N images of S×S pixels.

    Pickling hands over the folder's name only, so loader workers map the same pages and copy
    no pixels.

    Attributes:
        images: uint8 (N, S, S, 3), RGB; zeros where the image is unreadable.
        masks: uint8 (N, S, S), class indices; :data:`~auxseg.types.IGNORE_INDEX` without a mask.
        labels: int64 (N,); :data:`~auxseg.types.NO_LABEL` without a class.
        boxes: float32 (N, 4), xyxy in [0, 1]; NaN without a box.
        has_mask: bool (N,).
        readable: bool (N,); False for images that are to be left out.
        digests: uint64 (N,), equal for images of equal pixels; see :func:`digest`.
        folder: where the arrays lie.
        problems: one line for each unreadable image.
        notes: what is odd about all images together.
    """

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    has_mask: np.ndarray
    readable: np.ndarray
    digests: np.ndarray
    folder: Path
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return load_arrays, (self.folder,)

    def pixels(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, S, S, 3) and masks (n, S, S) of some images, as copies."""
        return self.images[rows], self.masks[rows]


def load_arrays(folder: Path) -> DecodedArrays:
    """Maps the arrays of a finished cache folder; those of pixels are empty where it has none."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    names = layout(0, 0, pixels=meta.get("pixels", True))
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names
    }
    nothing = np.zeros((len(arrays["labels"]), 0, 0), np.uint8)
    arrays = {"images": nothing, "masks": nothing, **arrays}
    problems, notes = (tuple(meta[name]) for name in ("problems", "notes"))
    return DecodedArrays(**arrays, folder=folder, problems=problems, notes=notes)


def bytes_of(shapes: Layout) -> int:
    """What arrays of these shapes take."""
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in shapes.values())


def layout(count: int, size: int, *, pixels: bool) -> Layout:
    """The arrays of so many images of this size."""
    large: Layout = {
        "images": (np.uint8, (count, size, size, 3)),
        "masks": (np.uint8, (count, size, size)),
    }
    return {
        **(large if pixels else {}),
        "labels": (np.int64, (count,)),
        "boxes": (np.float32, (count, 4)),
        "has_mask": (np.bool_, (count,)),
        "readable": (np.bool_, (count,)),
        "digests": (np.uint64, (count,)),
    }
