"""What a way of fitting photos into pictures of one size decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from auxseg.data.base import Dataset
from auxseg.types import Sample


class Part(NamedTuple):
    """A rectangle of a picture, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def relative(self, size: int) -> tuple[float, float, float, float]:
        """xyxy in [0, 1], of a picture of S×S pixels."""
        bottom, right = self.top + self.height, self.left + self.width
        return self.left / size, self.top / size, right / size, bottom / size


class Fit(ABC):
    """From photos of any shape to the S×S pixels that the network is shown.

    A subclass is one file and one line in :data:`auxseg.data.fits.FITS`.

    Args:
        size: S.
        scale: at which photos are read; of a fit that gives every photo the same size, 1.

    Attributes:
        WHOLE: whether a picture shows the whole photo. Of others, photos are kept at their own size
            times ``scale``, and pictures cut out of them (:mod:`auxseg.data.crops`).
    """

    NAME: ClassVar[str]
    WHOLE: ClassVar[bool] = True

    def __init__(self, size: int, scale: float = 1.0) -> None:
        self.size, self.scale = size, scale

    @property
    @abstractmethod
    def key(self) -> str:
        """Tells apart what is kept of the same photo; part of a folder's name."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The size of what is kept, as a user would say it."""

    @property
    def shown(self) -> str:
        """What the network sees, as a user would say it."""
        return self.text

    def read(self, dataset: Dataset, index: int) -> Sample:
        """An image and its labels as they are kept; raises what :meth:`Dataset.read` raises."""
        return self.kept(dataset.read(index))

    @abstractmethod
    def kept(self, sample: Sample) -> Sample:
        """What is kept of a photo at its native size."""

    def example(self, sample: Sample) -> Sample:
        """As much of a photo at its native size as one picture shows."""
        return sample

    def picture(self, sample: Sample) -> Sample:
        """(S, S) pixels of a photo at its native size: :meth:`example` as the network sees it."""
        return self.kept(sample)

    def part(self, height: int, width: int) -> Part:
        """The part of the S×S pixels that a photo of this size takes; the rest is padding."""
        return Part(0, 0, self.size, self.size)
