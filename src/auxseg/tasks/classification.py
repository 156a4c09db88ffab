"""Classification: one class for the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from auxseg.errors import DataError
from auxseg.tasks.base import MetricInfo
from auxseg.tasks.one_class import OneClass, most_probable, write_in_corner
from auxseg.tasks.pooled import confusion_counts
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target


@dataclass(frozen=True)
class ImageClass:
    """The class of one image, and its probability in [0, 1] where it is predicted."""

    name: str
    probability: float | None = None


class Classification(OneClass):
    """The image's class, learned as :class:`OneClass` is."""

    NAME = "classification"
    LABEL = "label"
    WEIGHT = 0.1  # the paper's α
    LAYER = 2
    METRICS: ClassVar = {"accuracy": MetricInfo("classification accuracy", 1.0)}

    def __init__(self, classes: ClassNames) -> None:
        super().__init__(classes)
        if len(classes.label) < 2:
            raise DataError(
                "classification needs at least two image classes; this data set has "
                f"{len(classes.label)} (a folder has them in labels.csv; segnet-1task needs none)"
            )

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("global", len(self.classes.label))

    def target(self, images: LabelledImages) -> Target:
        """Value int64 (N,); 0 stands where the class is missing."""
        return Target(images.label.clamp_min(0), images.has_label)

    def confusion(self, prediction: Tensor, value: Tensor) -> Tensor:
        return confusion_counts(prediction.argmax(dim=1), value, len(self.classes.label))

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> ImageClass:
        best, probability = most_probable(prediction)
        return ImageClass(self.classes.label[best], probability)

    def label(self, sample: Sample) -> ImageClass | None:
        return None if sample.label is None else ImageClass(self.classes.label[sample.label])

    def picture(self, photo: np.ndarray, decoded: ImageClass) -> np.ndarray:
        """Writes class and probability into the top left corner, dark on light."""
        canvas = photo.copy()
        write_in_corner(canvas, decoded.name, decoded.probability)
        return canvas
