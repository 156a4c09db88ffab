"""Outlines and run lengths → a mask: one rule for all formats that draw, that of COCO's own tools.

A pixel covers x to x + 1; it belongs to an outline where its centre lies inside, as pycocotools
decides it. LabelMe's own export takes the pixels that the outline touches as well, so that its
masks are up to a pixel wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from auxseg.data.formats.base import Object, Reading
from auxseg.data.formats.frames import Placing
from auxseg.data.formats.journal import Journal
from auxseg.errors import DataError
from auxseg.types import IGNORE_INDEX

#: Points beyond the photo by more than this share of its longer side are no slip of the hand: the
#: outline was drawn on another picture.
_FAR = 0.25
#: From so many pixels on it is told that an outline leaves the photo.
_TOLD = 1.0


@dataclass(frozen=True)
class Shape:
    """What was drawn of one class in one piece.

    Attributes:
        name: its class; None for pixels that are not to be learned from.
        outlines: float (n, 2) each, x and y in the frame that they were drawn in.
        filled: bool (H, W), in that frame, instead of outlines.
        box: xmin, ymin, xmax, ymax in that frame, where there is neither.
    """

    name: str | None
    outlines: Sequence[np.ndarray] = field(default=())
    filled: np.ndarray | None = None
    box: tuple[float, float, float, float] | None = None


def draw(
    shapes: Iterable[Shape],
    classes: Sequence[str],
    placing: Placing,
    journal: Journal,
    *,
    largest_first: bool,
) -> Reading:
    """Draws shapes one over another.

    What has a box alone is marked as not labelled, below all others: the thing is somewhere in it.

    Args:
        classes: index order; what is not drawn gets class 0.
        largest_first: whether small shapes come to lie above large ones; else in the order given.
    """
    width, height = placing.frame.upright
    mask = np.zeros((height, width), dtype=np.uint8)
    pieces: list[tuple[int, _Piece]] = []
    objects = []
    for shape in shapes:
        piece = _piece(shape, placing, journal)
        if piece is None:
            continue
        number = IGNORE_INDEX if shape.name is None else classes.index(shape.name)
        if shape.name is not None and number > 0:
            objects.append(Object(shape.name, piece.box))
        pieces.append((number, piece))
    if largest_first:
        pieces.sort(key=lambda one: one[1].pixels, reverse=True)
    # What is not to be learned from lies below what was drawn.
    for number, piece in sorted(
        pieces, key=lambda one: one[0] != IGNORE_INDEX and not one[1].boxed
    ):
        mask[piece.window][piece.inside] = IGNORE_INDEX if piece.boxed else number
    return Reading(mask, tuple(objects))


@dataclass(frozen=True)
class _Piece:
    """A drawn shape: the window that it lies in, and which of its pixels are inside.

    Attributes:
        boxed: whether a box is all that is known.
    """

    window: tuple[slice, slice]
    inside: np.ndarray
    box: tuple[float, float, float, float]
    boxed: bool = False

    @property
    def pixels(self) -> int:
        return int(self.inside.sum())


def _piece(shape: Shape, placing: Placing, journal: Journal) -> _Piece | None:
    if shape.filled is not None:
        return _filled(placing.mask(shape.filled.astype(np.uint8)).astype(bool), journal)
    if shape.box is not None:
        return _boxed(shape.box, placing, journal)
    outlines = [placing.points(one) for one in shape.outlines if len(one) >= 3]
    if len(outlines) < len(shape.outlines):
        journal.left_out("outlines of fewer than three points")
    if not outlines:
        return None
    points = np.concatenate(outlines)
    size = np.array(placing.frame.upright)
    beyond = np.maximum(points - size, -points).max() if np.isfinite(points).all() else np.inf
    if beyond > _FAR * size.max():
        raise DataError(f"an outline's point is not in the photo: {_worst(points)}")
    if beyond > _TOLD:
        journal.repaired("outlines that leave the photo, cut at its edge")
    return _outlined(outlines, placing.frame.upright, journal)


def _outlined(
    outlines: Sequence[np.ndarray], size: tuple[int, int], journal: Journal
) -> _Piece | None:
    """Draws outlines in the window that they fill."""
    from pycocotools import mask as coco

    points = np.concatenate(outlines)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    width, height = (int(one) for one in np.maximum(high - low, 1))
    runs = coco.frPyObjects([(one - low).ravel().tolist() for one in outlines], height, width)
    whole = coco.decode(coco.merge(runs)).astype(bool)
    left, top = (int(one) for one in low)
    # The part of the window that lies in the photo.
    right, bottom = min(left + width, size[0]), min(top + height, size[1])
    inside = whole[max(0, -top) : max(0, bottom - top), max(0, -left) : max(0, right - left)]
    if not inside.any():
        journal.left_out("outlines that hold no pixel of the photo")
        return None
    clipped = np.clip(points, 0, size)
    box = (*clipped.min(axis=0).tolist(), *clipped.max(axis=0).tolist())
    return _Piece((slice(max(0, top), bottom), slice(max(0, left), right)), inside, box)


def _filled(whole: np.ndarray, journal: Journal) -> _Piece | None:
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not rows.size:
        journal.left_out("outlines that hold no pixel of the photo")
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    window = (slice(top, bottom), slice(left, right))
    # A copy: the whole is as large as the photo.
    return _Piece(window, whole[window].copy(), (left, top, right, bottom))


def _boxed(
    box: tuple[float, float, float, float], placing: Placing, journal: Journal
) -> _Piece | None:
    corners = placing.points(np.array(box, dtype=np.float64).reshape(2, 2))
    if not np.isfinite(corners).all():
        raise DataError(f"a box holds a value that is not a finite number: {box}")
    corners = np.clip(corners, 0, placing.frame.upright)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if right <= left or bottom <= top:
        journal.left_out("boxes without a pixel of the photo")
        return None
    rows = slice(int(top), int(np.ceil(bottom)))
    columns = slice(int(left), int(np.ceil(right)))
    inside = np.ones((rows.stop - rows.start, columns.stop - columns.start), dtype=bool)
    return _Piece((rows, columns), inside, (left, top, right, bottom), boxed=True)


def _worst(points: np.ndarray) -> str:
    number = int(np.argmax(np.abs(np.nan_to_num(points, nan=np.inf)).max(axis=1)))
    return ", ".join(f"{value:g}" for value in points[number])


def outline(values: Any) -> np.ndarray:
    """A flat list x, y, x, y, … as float64 (n, 2).

    Raises:
        DataError: no list of an even number of numbers.
    """
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"an outline is not a list of numbers ({error})") from None
    if points.ndim == 1 and points.size % 2 == 0:
        return points.reshape(-1, 2)
    if points.ndim == 2 and points.shape[1] == 2:
        return points
    raise DataError("an outline is not a list of x, y, x, y, …")
