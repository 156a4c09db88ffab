"""What one image of a data set has: its labels, its size, what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from auxseg.data.base import Dataset
from auxseg.data.likeness import fingerprint
from auxseg.data.observations import digest
from auxseg.data.threads import in_threads
from auxseg.errors import DataError, UnreadableImageError
from auxseg.types import IGNORE_INDEX

#: A mask's layout is compared on a grid of so many cells each way.
GRID = 8


@dataclass(frozen=True)
class Thing:
    """Pixels of one class that hang together.

    Attributes:
        number: the class's index.
        pixels: how many.
        box: left, top, width and height in pixels of the photo.
    """

    number: int
    pixels: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Finding:
    """What one image has: the sum over all images makes the report.

    Attributes:
        size: width and height; None where the image cannot be read.
        pixels: int64 (256,), the mask's pixels by value; None without a mask.
        problem: why the image or a label of it cannot be read.
        brightest: the image's largest value, 0 to 255.
        digest: see :func:`auxseg.data.observations.digest`; None where it cannot be read.
        print: see :func:`auxseg.data.likeness.fingerprint`; 0 likewise.
        smallest: the smallest thing of any class but the first.
        layout: float32 (GRID, GRID, K), the share of each class in each cell of the mask.
    """

    readable: bool = True
    label: int | None = None
    has_box: bool = False
    size: tuple[int, int] | None = None
    pixels: np.ndarray | None = None
    problem: str | None = None
    brightest: int = 255
    digest: int | None = None
    print: int = 0
    smallest: Thing | None = None
    layout: np.ndarray | None = None


def look_at_all(dataset: Dataset, *, details: bool = False) -> list[Finding]:
    """Reads every image with its labels, in threads."""
    return in_threads(
        partial(look, dataset, details=details), range(len(dataset)), "reading photos"
    )


def look(dataset: Dataset, index: int, *, details: bool = False) -> Finding:
    """Reads one image with its labels.

    Args:
        details: whether to look for the smallest thing and the layout, too, which takes as long
            again with many classes.
    """
    try:
        sample = dataset.read(index)
    except UnreadableImageError as error:
        return Finding(readable=False, problem=str(error))
    except DataError as error:
        return Finding(problem=str(error))
    mask = sample.mask
    return Finding(
        label=sample.label,
        has_box=sample.box is not None,
        size=(sample.image.shape[1], sample.image.shape[0]),
        pixels=None if mask is None else np.bincount(mask.ravel(), minlength=256),
        brightest=int(sample.image.max()),
        digest=digest(sample.image),
        print=fingerprint(sample.image),
        smallest=_smallest(mask) if details and mask is not None else None,
        layout=_layout(mask, len(dataset.mask_classes)) if details and mask is not None else None,
    )


def unlike(findings: Sequence[Finding]) -> dict[int, float]:
    """How unlike the others each mask is: image's number → the mean difference, 0 to 1, of its
    layout from the mean layout of all. A mask whose classes are swapped stands out."""
    layouts = {
        number: finding.layout
        for number, finding in enumerate(findings)
        if finding.layout is not None
    }
    if not layouts:
        return {}
    mean = np.mean(list(layouts.values()), axis=0)
    # Half the summed difference: the share of pixels that would have to change their class.
    return {
        number: float(np.abs(layout - mean).sum(axis=2).mean() / 2)
        for number, layout in layouts.items()
    }


def _smallest(mask: np.ndarray) -> Thing | None:
    """The smallest thing of any class but the first, which is the background."""
    found: Thing | None = None
    for number in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist():
        if number in (0, IGNORE_INDEX):
            continue
        _, _, stats, _ = cv2.connectedComponentsWithStats((mask == number).astype(np.uint8))
        left, top, width, height, pixels = min(stats[1:].tolist(), key=lambda one: one[4])
        if found is None or pixels < found.pixels:
            found = Thing(number, pixels, (left, top, width, height))
    return found


def _layout(mask: np.ndarray, classes: int) -> np.ndarray:
    shares = [
        cv2.resize((mask == number).astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
        for number in range(classes)
    ]
    return np.stack(shares, axis=-1)
