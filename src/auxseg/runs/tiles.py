"""A photo of any size through a window: tiles that overlap, blended row by row.

Memory grows with the photo's pixels, and with a band of the scores of all classes, never with
pixels times classes: 6,000×4,000 pixels and 60 classes would take 6 GB.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auxseg.data.crops import cut, starts
from auxseg.data.decode import resized
from auxseg.data.fits import Tile
from auxseg.tasks import Task
from auxseg.tasks.enlarge import Enlarger, SpooledProbabilities
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import Sample

#: The least that neighbouring tiles share, as a part of their side.
OVERLAP = 0.25
#: The most tiles that are answered together, and the most bytes that their scores may take.
TILES, TILE_BYTES = 8, 1 << 26
#: A band of scores that would take more bytes than this is kept in 16 bits.
BAND_BYTES = 1 << 28
#: Rows of a band that are handed on at a time.
ROWS = 32

#: Answers pictures, float32 (N, 3, S, S) in [0, 1]: task → output.
AnswerTiles = Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Decided:
    """What a photo's pixels were decided to be, row by row: their scores never were in memory.

    Attributes:
        mask: class indices, uint8 (H, W), as :meth:`Segmentation.decode` gives them.
        probabilities: of every class, where they were asked for.
    """

    mask: np.ndarray
    probabilities: SpooledProbabilities | None = None


def look_by_tiles(
    fit: Tile,
    photo: np.ndarray,
    tasks: Mapping[str, Task],
    answer: AnswerTiles,
    *,
    probabilities: bool = False,
) -> dict[str, Tensor | Decided]:
    """What a network answers of a photo, tile by tile.

    Args:
        photo: uint8 (H, W, 3), at its native size.
        tasks: those that are wanted; only those with an output for every pixel mean anything.
        probabilities: also keep those of every class, in a file without a name.

    Returns:
        task → :class:`Decided` of segmentation; of others the output (K, h, w), h and w at
        ``data.scale``.
    """
    shape = (photo.shape[0], photo.shape[1])
    kept = resized(Sample(photo), *fit.scaled(*shape)).image
    height, width = kept.shape[:2]
    takers: dict[str, _Takes] = {}
    for name, task in tasks.items():
        if isinstance(task, Segmentation):
            takers[name] = _Decides(len(task.classes.mask), height, shape, probabilities)
        else:
            takers[name] = _Collects(task.head.channels, (height, width))
    channels = sum(task.head.channels for task in tasks.values())
    for bands in blended(kept, fit.size, list(tasks), channels, answer):
        for name, taker in takers.items():
            taker.take(bands[name])
    return {name: taker.found() for name, taker in takers.items()}


def blended(
    photo: np.ndarray, size: int, names: Sequence[str], channels: int, answer: AnswerTiles
) -> Iterator[dict[str, Tensor]]:
    """The outputs of a photo's tiles, blended where they overlap.

    The weight of a tile's pixel falls linearly towards the edges that it shares, and the weights of
    a pixel add up to 1.

    Args:
        photo: uint8 (h, w, 3).
        size: S, of a tile.
        names: of the tasks; each has an output (N, K, S, S).
        channels: of all these outputs together.

    Yields:
        the photo's next rows: task → float32 (K, rows, w).
    """
    height, width = photo.shape[:2]
    overlap = round(OVERLAP * size)
    tops, lefts = (starts(side, size, overlap) for side in (height, width))
    down, across = (_weights(places, size, overlap) for places in (tops, lefts))
    together = max(1, min(TILES, TILE_BYTES // (4 * channels * size * size)))
    small = 4 * channels * min(size, height) * width <= BAND_BYTES
    dtype = torch.float32 if small else torch.float16
    # Begin at the tiles' first row; the next row of tiles adds to their last ones.
    bands: dict[str, Tensor] = {}
    rows = min(size, height)
    for row, top in enumerate(tops):
        for first in range(0, len(lefts), together):
            part = lefts[first : first + together]
            tiles = [cut(Sample(photo), top, left, size).image for left in part]
            pictures = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() / 255
            outputs = answer(pictures)
            for name in names:
                output = outputs[name]
                if name not in bands:
                    shape = (output.shape[1], rows, width)
                    bands[name] = torch.zeros(shape, dtype=dtype, device=output.device)
                for number, left in enumerate(part, start=first):
                    weight = (down[row][:, None] * across[number]).to(output.device)
                    _add(bands[name][:, :, left : left + size], output[number - first], weight)
        done = tops[row + 1] - top if row + 1 < len(tops) else rows
        for start in range(0, done, ROWS):
            stop = min(start + ROWS, done)
            yield {
                name: band[:, start:stop].to(torch.float32, copy=True)
                for name, band in bands.items()
            }
        for band in bands.values():
            _move_up(band, done)


def _add(window: Tensor, tile: Tensor, weight: Tensor) -> None:
    """Adds a tile's scores, a class at a time: all of them at once would take as much again."""
    height, width = window.shape[1:]
    for own, plane in zip(window, tile, strict=True):
        own += (plane.float() * weight)[:height, :width]


def _move_up(band: Tensor, rows: int) -> None:
    """Moves a band's rows up by so many, in place; zeros come from below."""
    for plane in band:
        rest = plane[rows:].clone()
        plane[: len(rest)] = rest
        plane[len(rest) :] = 0


def _weights(places: Sequence[int], size: int, overlap: int) -> list[Tensor]:
    """Along one side, each tile's weight at each of its pixels, float32 (S,)."""
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp = np.minimum(1.0, from_edge / max(1, overlap))
    total = np.zeros(places[-1] + size)
    for place in places:
        total[place : place + size] += ramp
    return [torch.from_numpy(ramp / total[place : place + size]).float() for place in places]


class _Takes(ABC):
    """Takes a task's output, row by row."""

    @abstractmethod
    def take(self, band: Tensor) -> None: ...

    @abstractmethod
    def found(self) -> Tensor | Decided: ...


class _Collects(_Takes):
    """Keeps the output of a task of few channels."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        self._whole = torch.empty(channels, *size)
        self._rows = 0

    def take(self, band: Tensor) -> None:
        first, self._rows = self._rows, self._rows + band.shape[1]
        self._whole[:, first : self._rows] = band

    def found(self) -> Tensor:
        return self._whole


class _Decides(_Takes):
    """Keeps the class of every pixel, and what more is asked for.

    Args:
        rows: that will come.
        size: H and W of the photo.
    """

    def __init__(self, classes: int, rows: int, size: tuple[int, int], probabilities: bool) -> None:
        self._enlarger = Enlarger(rows, size)
        self._mask = np.empty(size, np.uint8)
        self._spooled = SpooledProbabilities(classes, size) if probabilities else None

    def take(self, band: Tensor) -> None:
        for rows, strip in self._enlarger.add(band):
            self._mask[rows] = strip.argmax(dim=0).to(torch.uint8).cpu().numpy()
            if self._spooled is not None:
                self._spooled.add(rows, strip.softmax(dim=0).cpu().numpy())

    def found(self) -> Decided:
        return Decided(self._mask, self._spooled)
