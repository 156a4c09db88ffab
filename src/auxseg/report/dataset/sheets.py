"""Contact sheets: photos with their labels drawn over them, in rows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.figure import Figure

from auxseg.data.base import Dataset
from auxseg.tasks import TASKS, draw_all
from auxseg.types import Sample

#: Photos of a row, and inches of each.
_ROW, _CELL = 6, 1.9
#: Pixels of a drawn photo's longer side.
_SIDE = 260
#: A frame's colour, and its distance in pixels from what it is around.
_YELLOW, _GAP = (255, 235, 0), 3
#: The tasks whose labels are drawn.
_DRAWN = ("segmentation", "bbox")


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.

    Attributes:
        index: the image's number in the data set.
        text: what stands below it, beside its name.
        window: left, top and side of the square that is shown; None for the whole photo.
        marked: left, top, width and height of what gets a frame.
    """

    index: int
    text: str
    window: tuple[int, int, int] | None = None
    marked: tuple[int, int, int, int] | None = None


def sheet(dataset: Dataset, tiles: Sequence[Tile]) -> Figure:
    """The pictures in rows, each with its text and its file's name."""
    rows = -(-len(tiles) // _ROW)
    figure = Figure(figsize=(_CELL * _ROW, (_CELL + 0.35) * rows), layout="constrained")
    axes = figure.subplots(rows, _ROW, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, tile in zip(axes, tiles, strict=False):
        axis.axis("on")
        axis.imshow(picture(dataset, tile))
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        name = textwrap.shorten(dataset.name(tile.index), 28, placeholder="…")
        axis.set_xlabel(f"{tile.text}\n{name}", fontsize=7, labelpad=2)
    return figure


def picture(dataset: Dataset, tile: Tile) -> np.ndarray:
    """The photo with mask and box drawn over it, uint8 (h, w, 3)."""
    sample = dataset.read(tile.index)
    if tile.window is not None:
        drawn = _drawn(dataset, sample)
        return _enlarged(drawn if tile.marked is None else _framed(drawn, tile.marked), tile.window)
    height, width = sample.image.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    mask = sample.mask
    if mask is not None:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return _drawn(dataset, Sample(image, mask=mask, box=sample.box))


def _drawn(dataset: Dataset, sample: Sample) -> np.ndarray:
    known = len(dataset.mask_classes) > 1  # segmentation is of two classes at least
    labelled = {"segmentation": sample.mask if known else None, "bbox": sample.box}
    tasks = {name: TASKS[name](dataset.classes) for name in _DRAWN if labelled[name] is not None}
    return draw_all(sample.image, tasks, {name: task.label(sample) for name, task in tasks.items()})


def _framed(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, width, height = box
    low = (left - _GAP, top - _GAP)
    high = (left + width - 1 + _GAP, top + height - 1 + _GAP)
    return np.asarray(cv2.rectangle(image.copy(), low, high, _YELLOW))


def _enlarged(image: np.ndarray, window: tuple[int, int, int]) -> np.ndarray:
    """The part of the photo that lies in the window, enlarged without blurring its pixels."""
    left, top, side = window
    height, width = image.shape[:2]
    part = image[max(0, top) : min(height, top + side), max(0, left) : min(width, left + side)]
    scale = max(1, round(_SIDE / max(part.shape[:2])))
    return part.repeat(scale, axis=0).repeat(scale, axis=1)
