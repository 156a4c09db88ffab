"""What tasks have in common that ask which of several classes a whole image is of."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from auxseg.tasks.averages import mean_softmax
from auxseg.tasks.base import LabelledMean, MetricValue, Task, TaskMetrics


class OneClass(Task):
    """Cross-entropy over the classes; targets are int64 (N,), class indices."""

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Cross-entropy of each image: logits (N, classes) → (N,)."""
        return F.cross_entropy(prediction, value, reduction="none")

    def metrics(self) -> TaskMetrics:
        return OneClassMetrics()

    def averaged(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_softmax(outputs)

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``accuracy``: 1 where the class is right, else 0."""
        return {"accuracy": right(prediction, value)}


class OneClassMetrics(TaskMetrics):
    """Accuracy: the share of labelled images whose most probable class is right."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy = LabelledMean()

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.accuracy.add(right(prediction, value))

    def compute(self) -> dict[str, MetricValue]:
        return {"accuracy": self.accuracy.compute()}

    def reset(self) -> None:
        self.accuracy.reset()


def right(prediction: Tensor, value: Tensor) -> Tensor:
    """1 where the most probable class is the target, else 0: float32 (N,)."""
    return (prediction.argmax(dim=1) == value).float()


def most_probable(prediction: Tensor) -> tuple[int, float]:
    """The class that the logits of one image, (classes,), make most probable; its probability."""
    probabilities = prediction.float().softmax(dim=0)
    best = int(probabilities.argmax())
    return best, float(probabilities[best])


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
