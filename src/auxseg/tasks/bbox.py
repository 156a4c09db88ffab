"""Bounding box: where the (one) object of the image is; of the pets, the head."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from auxseg.tasks.base import (
    LabelledMean,
    MetricInfo,
    MetricValue,
    Task,
    TaskMetrics,
    checked_scale,
)
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target

#: The paper gives box errors in pixels of images of this size.
PAPER_SIZE = 256

BOX_COLOUR = (220, 30, 60)


class BoundingBox(Task):
    """Mean squared error of xyxy in [0, 1], brought to the other losses' scale by a constant.

    Args:
        scale: that constant. A head box predicted at the image's centre has a squared error of
            about 0.03; 20 brings it to the size of a two-class cross-entropy at the start.
    """

    NAME = "bbox"
    LABEL = "box"
    WEIGHT = 0.2  # the paper's α
    REGRESSION = True
    LAYER = 1
    METRICS: ClassVar = {
        "l2": MetricInfo("box L2 loss", 0.0, higher_is_better=False, digits=1),
        "rmse": MetricInfo("box RMSE (pixels)", 0.0, higher_is_better=False, digits=1),
        "iou": MetricInfo("box IoU", 1.0),
    }

    def __init__(self, classes: ClassNames, *, scale: float = 20.0) -> None:
        super().__init__(classes)
        self.scale = checked_scale(self.NAME, scale)

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("global", 4)

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 4), xyxy; zeros stand where the box is missing.

        Of letterboxed photos (N, 6): behind the box the share of the picture's width and height
        that the photo takes.
        """
        box = images.box.nan_to_num()
        value = box if images.extent is None else torch.cat([box, images.extent], dim=1)
        return Target(value, images.has_box)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """scale · mean over the four coordinates of the squared error: (N, 4) → (N,)."""
        return self.scale * (to_box(prediction) - value[:, :4]).square().mean(dim=1)

    def metrics(self) -> TaskMetrics:
        return BoundingBoxMetrics()

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``iou`` and ``l2`` of each box, as :class:`BoundingBoxMetrics` defines them."""
        square = errors(prediction, value).square().mean(dim=1)
        return {"l2": square, "iou": box_iou(to_box(prediction), value[:, :4])}

    def mirrored(self, output: Tensor) -> Tensor:
        x_min, y_min, x_max, y_max = to_box(output).unbind(dim=1)
        return to_output(torch.stack([1 - x_max, y_min, 1 - x_min, y_max], dim=1))

    def within(self, output: Tensor, area: tuple[float, float, float, float]) -> Tensor:
        corner, opposite = output.new_tensor(area).view(2, 2)
        box = to_box(output).view(2, 2)
        return to_output((box - corner) / (opposite - corner)).flatten()

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> tuple[float, ...]:
        """xyxy in the photo's pixels, inside the photo, xmin ≤ xmax and ymin ≤ ymax."""
        height, width = size
        box = to_box(prediction[None].float())[0].clamp(0, 1)
        low, high = torch.minimum(box[:2], box[2:]), torch.maximum(box[:2], box[2:])
        scaled = torch.cat([low, high]).cpu() * torch.tensor([width, height, width, height])
        return tuple(round(value, 2) for value in scaled.tolist())

    def label(self, sample: Sample) -> tuple[float, ...] | None:
        if sample.box is None:
            return None
        height, width = sample.image.shape[:2]
        return tuple((sample.box * [width, height, width, height]).tolist())

    def picture(self, photo: np.ndarray, decoded: tuple[float, ...]) -> np.ndarray:
        canvas = photo.copy()
        x_min, y_min, x_max, y_max = (round(value) for value in decoded)
        thickness = max(1, round(max(photo.shape[:2]) / 160))
        cv2.rectangle(canvas, (x_min, y_min), (x_max, y_max), BOX_COLOUR, thickness)
        return canvas


def to_box(prediction: Tensor) -> Tensor:
    """The head's output → xyxy: zero stands for the image's centre, so training starts there."""
    return prediction + 0.5


def to_output(box: Tensor) -> Tensor:
    """The head's output that means a box: :func:`to_box` back."""
    return box - 0.5


def errors(prediction: Tensor, value: Tensor) -> Tensor:
    """The coordinates' errors, (N, 4), were each photo stretched to the paper's size.

    Letterboxed photos take a part of their picture: an error weighs by their own width and height.
    """
    wrong = (to_box(prediction) - value[:, :4]) * PAPER_SIZE
    return wrong if value.shape[1] == 4 else wrong / value[:, 4:].repeat(1, 2)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes in pairs: xyxy (N, 4) and (N, 4) → (N,) in [0, 1]; 0 for an inverted box."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (high - low).clamp_min(0).prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).clamp_min(0).prod(dim=1) for box in (a, b)]
    return overlap / (areas[0] + areas[1] - overlap).clamp_min(1e-12)


class BoundingBoxMetrics(TaskMetrics):
    """Means over the labelled images of the box errors, of photos of the paper's 256×256 pixels.

    ``l2`` is the mean over images and the four coordinates of the squared error in pixels²,
    ``rmse`` its root in pixels, ``iou`` the mean IoU of predicted and true box.
    """

    def __init__(self) -> None:
        super().__init__()
        self.square = LabelledMean()
        self.overlap = LabelledMean()

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.square.add(errors(prediction, value).square())
        self.overlap.add(box_iou(to_box(prediction), value[:, :4]))

    def compute(self) -> dict[str, MetricValue]:
        square = self.square.compute()
        rmse = None if square is None else square**0.5
        return {"l2": square, "rmse": rmse, "iou": self.overlap.compute()}

    def reset(self) -> None:
        self.square.reset()
        self.overlap.reset()
