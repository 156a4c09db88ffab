"""Photos at their own size, seen through a window of S×S pixels."""

from __future__ import annotations

from auxseg.data.crops import cut
from auxseg.data.decode import resized
from auxseg.data.fits.base import Fit, Part
from auxseg.types import Sample


class Tile(Fit):
    """Crops of the photo, which is kept at ``scale`` times its own size.

    Training sees random crops, measuring the photo cut into tiles, predicting tiles that overlap.
    Class and box of a whole photo mean nothing in a crop.
    """

    NAME = "tile"
    WHOLE = False

    @property
    def key(self) -> str:
        return f"tile-{self.scale:g}"

    @property
    def text(self) -> str:
        return "their own size" if self.scale == 1 else f"{self.scale:g} times their own size"

    @property
    def shown(self) -> str:
        scale = "" if self.scale == 1 else f" of photos at {self.scale:g} times their size"
        return f"{self.size}×{self.size} (tiles{scale})"

    def kept(self, sample: Sample) -> Sample:
        return resized(sample, *self.scaled(*sample.image.shape[:2]))

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a photo of this size is read."""
        return max(1, round(self.scale * height)), max(1, round(self.scale * width))

    def example(self, sample: Sample) -> Sample:
        """The middle of the photo."""
        side = max(1, round(self.size / self.scale))
        top, left = (max(0, (one - side) // 2) for one in sample.image.shape[:2])
        return cut(sample, top, left, side)

    def picture(self, sample: Sample) -> Sample:
        return resized(self.example(sample), self.size, self.size)

    def part(self, height: int, width: int) -> Part:
        raise NotImplementedError("a tile shows a part of a photo, not the other way round")
