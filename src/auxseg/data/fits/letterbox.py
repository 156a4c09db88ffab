"""Photos that keep their shape: the longer side fills a square, the rest of it is padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auxseg.data.decode import resized
from auxseg.data.fits.base import Fit, Part
from auxseg.data.padding import in_square
from auxseg.types import Sample


class Letterbox(Fit):
    """The whole photo, its longer side S pixels long, in the middle of the square.

    Padding has no label: no loss of a mask and no metric of it sees the padding. A box is kept
    relative to the square.
    """

    NAME = "letterbox"

    @property
    def key(self) -> str:
        return f"letterbox-{self.size}"

    @property
    def text(self) -> str:
        return f"{self.size}×{self.size} (letterbox)"

    def kept(self, sample: Sample) -> Sample:
        part = self.part(*sample.image.shape[:2])
        inner = resized(sample, part.height, part.width)
        padded = in_square(inner, self.size, part.top, part.left)
        extent = (part.width / self.size, part.height / self.size)
        box = sample.box
        if box is not None:
            corner = (part.left / self.size, part.top / self.size)
            box = (np.tile(corner, 2) + box * np.tile(extent, 2)).astype(np.float32)
        return replace(padded, box=box, extent=extent)

    def part(self, height: int, width: int) -> Part:
        longer = max(height, width)
        inner = [max(1, round(self.size * side / longer)) for side in (height, width)]
        top, left = ((self.size - side) // 2 for side in inner)
        return Part(top, left, *inner)
