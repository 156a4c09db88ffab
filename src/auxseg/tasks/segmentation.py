"""Segmentation, the primary task: a class for every pixel."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from auxseg.errors import DataError
from auxseg.tasks.base import MetricInfo, MetricValue, Task, TaskMetrics
from auxseg.types import IGNORE_INDEX, ClassNames, HeadSpec, LabelledImages, Sample, Target

#: Colours of the mask's classes in pictures, RGB; the first is the background's, never drawn.
PALETTE = np.array(
    [(0, 0, 0), (0, 140, 255), (255, 140, 0), (0, 200, 110), (235, 60, 130), (150, 90, 240),
     (240, 220, 30), (0, 210, 210), (190, 110, 60), (140, 200, 40)], dtype=np.uint8,
)  # fmt: skip


class Segmentation(Task):
    """Cross-entropy over the pixels that have a label; metrics pooled over the data set."""

    NAME = "segmentation"
    WEIGHT = 0.7  # the paper's α
    METRICS: ClassVar = {
        "iou": MetricInfo("average IoU", 1.0),
        "weighted_iou": MetricInfo("weighted IoU", 1.0),
        "f1": MetricInfo("segmentation F1", 1.0),
        "pixel_accuracy": MetricInfo("pixel accuracy", 1.0),
    }

    def __init__(self, classes: ClassNames) -> None:
        super().__init__(classes)
        if len(classes.mask) < 2:
            raise DataError(
                "segmentation needs masks of at least two classes; this data set has "
                f"{len(classes.mask)}"
            )

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", len(self.classes.mask))

    def target(self, images: LabelledImages) -> Target:
        """Value uint8 (N, H, W). An image whose pixels are all ignored counts as unlabelled."""
        # The least class number: all() and any() take twenty times as long on these small numbers.
        seen = images.mask.flatten(1).amin(dim=1) != IGNORE_INDEX
        return Target(images.mask, images.has_mask & seen)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Mean cross-entropy over each image's labelled pixels: logits (N, K, H, W) → (N,)."""
        pixels = F.cross_entropy(
            prediction, value.long(), ignore_index=IGNORE_INDEX, reduction="none"
        )
        counts = (value != IGNORE_INDEX).flatten(1).sum(dim=1).clamp_min(1)
        return pixels.flatten(1).sum(dim=1) / counts

    def metrics(self) -> TaskMetrics:
        return SegmentationMetrics(len(self.classes.mask))

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``iou``: the mean over the classes that an image's mask or prediction holds."""
        found, seen = prediction.argmax(dim=1), value != IGNORE_INDEX
        ratios = []
        for number in range(len(self.classes.mask)):
            true, positive = value == number, (found == number) & seen
            either = (true | positive).flatten(1).sum(dim=1)
            # 0/0 is NaN: the class occurs nowhere in this image.
            ratios.append((true & positive).flatten(1).sum(dim=1) / either)
        return {"iou": torch.stack(ratios).nanmean(dim=0)}

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Pixels in intersection and union of each class, (N, 2K)."""
        found, seen = prediction.argmax(dim=1), value != IGNORE_INDEX
        pixels = []
        for number in range(len(self.classes.mask)):
            true, positive = value == number, (found == number) & seen
            pixels += [true & positive, true | positive]
        return torch.stack([one.flatten(1).sum(dim=1) for one in pixels], dim=1).float()

    def pool(self, counts: np.ndarray) -> np.ndarray:
        """The mean IoU over the classes that occur."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = counts[..., 0::2] / counts[..., 1::2]
            there = ~np.isnan(ratios)
            return np.asarray(np.where(there, ratios, 0.0).sum(-1) / there.sum(-1))

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Class indices at the photo's size, uint8 (H, W): logits are enlarged, then compared."""
        logits = F.interpolate(
            prediction[None].float(), size=size, mode="bilinear", align_corners=False
        )
        return logits[0].argmax(dim=0).to(torch.uint8).cpu().numpy()

    def label(self, sample: Sample) -> np.ndarray | None:
        return sample.mask

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Tints every class but the first and draws its outline."""
        canvas = photo.copy()
        thickness = max(1, round(max(photo.shape[:2]) / 150))
        for number in range(1, len(self.classes.mask)):
            region = decoded == number
            colour = PALETTE[1 + (number - 1) % (len(PALETTE) - 1)]
            canvas[region] = (0.55 * canvas[region] + 0.45 * colour).astype(np.uint8)
            outlines, _ = cv2.findContours(
                region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(canvas, outlines, -1, colour.tolist(), thickness)
        return canvas


class ConfusionMatrix(Metric):
    """n_ij, the labelled pixels of class i predicted as j, added up over batches and processes.

    torchmetrics' own goes through a mesh of pixels × K² wherever deterministic algorithms are on,
    as in our training: gigabytes for twenty classes.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.long)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, value: Tensor) -> None:
        """Adds class indices of any one shape; pixels of :data:`IGNORE_INDEX` do not count."""
        seen = value != IGNORE_INDEX
        pairs = self.num_classes * value[seen].long() + prediction[seen]
        size = self.num_classes**2
        self.counts += torch.bincount(pairs, minlength=size).view_as(self.counts)

    def compute(self) -> Tensor:
        """float64 (K, K), on the CPU: not every device has float64."""
        return self.counts.cpu().double()


class SegmentationMetrics(TaskMetrics):
    """IoU, frequency-weighted IoU, F1 and pixel accuracy from one pooled confusion matrix.

    With n_ij the pixels of class i predicted as j, over all labelled pixels of the data set:
    IoU_i = n_ii / (Σ_j n_ij + Σ_j n_ji − n_ii); ``iou`` is its mean, ``weighted_iou`` its mean
    weighted by the pixels of class i; F1_i = 2 n_ii / (Σ_j n_ij + Σ_j n_ji), ``f1`` its mean;
    ``pixel_accuracy`` = Σ_i n_ii / Σ_ij n_ij. A class that neither targets nor predictions hold
    has no IoU (None) and drops out of the means.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.confusion = ConfusionMatrix(num_classes)

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.confusion.update(prediction.argmax(dim=1), value)

    def compute(self) -> dict[str, MetricValue]:
        if not self.confusion.update_called:  # torchmetrics warns otherwise
            nothing = torch.zeros(0, dtype=torch.long, device=self.confusion.device)
            self.confusion.update(nothing, nothing)
        matrix = self.confusion.compute()
        names = (*Segmentation.METRICS, "iou_per_class")
        if matrix.sum() == 0:
            return dict.fromkeys(names)
        hits, actual, predicted = matrix.diag(), matrix.sum(dim=1), matrix.sum(dim=0)
        iou = hits / (actual + predicted - hits)  # 0/0 is NaN: the class occurs nowhere
        f1 = 2 * hits / (actual + predicted)
        return {
            "iou": float(iou.nanmean()),
            "weighted_iou": float((iou.nan_to_num() * actual).sum() / actual.sum()),
            "f1": float(f1.nanmean()),
            "pixel_accuracy": float(hits.sum() / matrix.sum()),
            "iou_per_class": [None if value != value else value for value in iou.tolist()],
        }

    def reset(self) -> None:
        self.confusion.reset()
