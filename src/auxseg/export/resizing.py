"""Resizing as a graph can hold it: of sizes that the tracer knows nothing of, by products of
matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auxseg.data.fits import Fit, Letterbox


@dataclass(frozen=True)
class Side:
    """A side of a photo, and the part of a picture's side that it takes.

    Attributes:
        length: how long it is in the photo; in a trace, a symbol.
        whole: the same as a tensor, int64 ().
        start, part: where it begins in the picture, and how long it is there, int64 ().
        size: the length of the picture's side.
    """

    length: int
    whole: Tensor
    start: Tensor
    part: Tensor
    size: int

    @property
    def inside(self) -> Tensor:
        """Which pixels of the picture's side the photo takes, (size,)."""
        place = torch.arange(self.size) - self.start
        return (place >= 0) & (place < self.part)

    def between(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each pixel of the photo's side the two of the picture's that its centre lies between,
        int64 (length,), and how far it is from the first to the second, float64 in [0, 1]."""
        last = self.part.double() - 1
        scale = self.part.double() / self.whole
        centre = (torch.arange(self.length) + 0.5) * scale - 0.5
        centre = centre.clamp(min=0).minimum(last)
        first = centre.floor()
        second = torch.minimum(first + 1, last)
        return first.long() + self.start, second.long() + self.start, centre - first


def sides(height: int, width: int, fit: Fit) -> tuple[Side, Side]:
    """Rows and columns of a photo in its picture, as :meth:`auxseg.data.fits.Fit.part` has them."""
    lengths = (height, width)
    whole = [torch.scalar_tensor(length, dtype=torch.int64) for length in lengths]
    parts = [torch.full_like(one, fit.size) for one in whole]
    if isinstance(fit, Letterbox):
        longer = torch.maximum(*whole).double()
        parts = [(fit.size * one.double() / longer).round().long().clamp(min=1) for one in whole]
    rows, columns = (
        Side(length, one, (fit.size - part) // 2, part, fit.size)
        for length, one, part in zip(lengths, whole, parts, strict=True)
    )
    return rows, columns


def shrunk(images: Tensor, rows: Side, columns: Side) -> Tensor:
    """(N, C, H, W) of whole numbers → (N, C, S, S) of whole numbers; 0 where no photo is.

    As :func:`auxseg.data.decode.resized`: averages of areas where pixels are lost, else bilinear.
    cv2 rounds at other places, so that a few values differ by 1.
    """
    fewer = rows.whole * columns.whole > rows.part * columns.part
    both = (rows.whole >= rows.part) & (columns.whole >= columns.part)
    down, across = (_weights(side, fewer, both).to(images.dtype) for side in (rows, columns))
    return (down @ images @ across.T).round()


def _weights(side: Side, fewer: Tensor, both: Tensor) -> Tensor:
    """(S, length): how much each pixel along a photo's side counts in each of the picture's.

    Args:
        fewer: whether the picture's part has fewer pixels than the photo.
        both: whether neither side gets longer.
    """
    place = (torch.arange(side.size) - side.start)[:, None]
    pixel = torch.arange(side.length)[None]
    # Areas, in whole numbers: a pixel is `part` long, a place `whole`.
    first, last = place * side.whole, (place + 1) * side.whole
    ends = torch.minimum(last, (pixel + 1) * side.part)
    area = (ends - torch.maximum(first, pixel * side.part)).clamp(min=0).double() / side.whole
    # Between two pixels, by the centre of the place; or, where one side gets longer though pixels
    # are lost, as cv2's INTER_AREA does then.
    scale = side.whole.double() / side.part
    centre = (place + 0.5) * scale - 0.5
    left = (place * scale).floor()
    beyond = (place + 1) - (left + 1) / scale
    corner = left + torch.where(beyond > 0, beyond - beyond.floor(), 0.0)
    at = torch.where(fewer, corner, centre).clamp(min=0).minimum(side.whole.double() - 1)
    linear = (1 - (at - pixel).abs()).clamp(min=0)
    weights = torch.where(fewer & both, area, linear)
    return torch.where(side.inside[:, None], weights, 0.0)
