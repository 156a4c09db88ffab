"""Photos stretched to a square, whatever their shape."""

from __future__ import annotations

from auxseg.data.base import Dataset
from auxseg.data.decode import stretch
from auxseg.data.fits.base import Fit
from auxseg.types import Sample


class Stretch(Fit):
    """The whole photo, each side stretched to S pixels."""

    NAME = "stretch"

    @property
    def key(self) -> str:
        return str(self.size)

    @property
    def text(self) -> str:
        return f"{self.size}×{self.size}"

    def read(self, dataset: Dataset, index: int) -> Sample:
        return dataset.read(index, self.size)  # what is drawn, not photographed, is drawn so large

    def kept(self, sample: Sample) -> Sample:
        return stretch(sample, self.size)
