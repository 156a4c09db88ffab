"""From a box in a photo's pixels to the box that auxseg uses: xyxy in [0, 1], inside the photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auxseg.errors import DataError

#: Annotation tools count pixels from 0 or from 1, so a box may stick out by one.
TOLERANCE = 1.0


def relative_box(pixels: Sequence[float], width: int, height: int, where: str) -> np.ndarray:
    """Checks a box and divides it by the image's size.

    Args:
        pixels: xmin, ymin, xmax, ymax in pixels of the photo.
        where: the file (and row) that the box comes from: begins the message.

    Returns:
        float32 (4,), xyxy, clipped to [0, 1].

    Raises:
        DataError: not finite, without area, or more than :data:`TOLERANCE` outside of the image.
    """
    box = np.asarray(pixels, dtype=np.float64)
    problem = box_problem(pixels)
    if problem:
        raise DataError(f"{where}: {problem}")
    limits = np.array([width, height, width, height])
    if (box < -TOLERANCE).any() or (box > limits + TOLERANCE).any():
        raise DataError(
            f"{where}: box {describe(pixels)} lies outside of its image ({width} × {height} pixels)"
        )
    relative: np.ndarray = np.clip(box / limits, 0.0, 1.0).astype(np.float32)
    if (relative[:2] >= relative[2:]).any():
        raise DataError(
            f"{where}: box {describe(pixels)} has no area inside its image "
            f"({width} × {height} pixels)"
        )
    return relative


def box_problem(pixels: Sequence[float]) -> str | None:
    """What is wrong with a box whatever the size of its image; None if nothing is."""
    xmin, ymin, xmax, ymax = pixels
    if not np.isfinite(np.asarray(pixels, dtype=np.float64)).all():
        return f"box {describe(pixels)} holds a value that is not a finite number"
    if xmin >= xmax or ymin >= ymax:
        return f"box {describe(pixels)} needs xmin < xmax and ymin < ymax"
    return None


def describe(pixels: Sequence[float]) -> str:
    """``(xmin, ymin, xmax, ymax)`` as one short text."""
    return "(" + ", ".join(f"{value:g}" for value in pixels) + ")"
