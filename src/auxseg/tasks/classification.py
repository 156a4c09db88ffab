"""Classification: one class for the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from auxseg.errors import DataError
from auxseg.tasks.base import LabelledMean, MetricInfo, MetricValue, Task, TaskMetrics
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target


@dataclass(frozen=True)
class ImageClass:
    """The class of one image, and its probability in [0, 1] where it is predicted."""

    name: str
    probability: float | None = None


class Classification(Task):
    """Cross-entropy over the image's classes."""

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

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Cross-entropy of each image: logits (N, classes) → (N,)."""
        return F.cross_entropy(prediction, value, reduction="none")

    def metrics(self) -> TaskMetrics:
        return ClassificationMetrics()

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``accuracy``: 1 where the class is right, else 0."""
        return {"accuracy": (prediction.argmax(dim=1) == value).float()}

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> ImageClass:
        probabilities = prediction.float().softmax(dim=0)
        best = int(probabilities.argmax())
        return ImageClass(self.classes.label[best], float(probabilities[best]))

    def label(self, sample: Sample) -> ImageClass | None:
        return None if sample.label is None else ImageClass(self.classes.label[sample.label])

    def picture(self, photo: np.ndarray, decoded: ImageClass) -> np.ndarray:
        """Writes class and probability into the top left corner, dark on light."""
        canvas = photo.copy()
        write_in_corner(canvas, decoded.name, decoded.probability)
        return canvas


def write_in_corner(canvas: np.ndarray, text: str, probability: float | None) -> None:
    """Writes a text, and how probable it is, into a picture's top left corner, dark on light.

    Args:
        canvas: uint8 (H, W, 3), which is changed.
    """
    if probability is not None:
        text += f" {probability:.0%}"
    # The text's size follows the picture's, and never exceeds its width.
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    scale = min(max(canvas.shape[:2]) / 600, 0.9 * canvas.shape[1] / width)
    stroke = max(1, round(2 * scale))
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
    margin = round(8 * scale)
    corner = (width + 2 * margin, height + base + 2 * margin)
    cv2.rectangle(canvas, (0, 0), corner, (255, 255, 255), cv2.FILLED)
    cv2.putText(
        canvas, text, (margin, margin + height), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20),
        stroke, cv2.LINE_AA,
    )  # fmt: skip


class ClassificationMetrics(TaskMetrics):
    """Accuracy: the share of labelled images whose most probable class is right."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy = LabelledMean()

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.accuracy.add((prediction.argmax(dim=1) == value).float())

    def compute(self) -> dict[str, MetricValue]:
        return {"accuracy": self.accuracy.compute()}

    def reset(self) -> None:
        self.accuracy.reset()
