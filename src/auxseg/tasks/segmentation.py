"""Segmentation, the primary task: a class for every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.devices import sent
from auxseg.errors import DataError, UsageError
from auxseg.palette import class_colours
from auxseg.tasks.averages import mean_softmax
from auxseg.tasks.base import (
    MetricInfo,
    MetricValue,
    Remarks,
    Task,
    TaskMetrics,
)
from auxseg.tasks.enlarge import largest_enlarged
from auxseg.tasks.missed import missed_classes
from auxseg.tasks.pooled import PooledMetrics, confusion_counts, known
from auxseg.types import IGNORE_INDEX, ClassNames, HeadSpec, LabelledImages, Sample, Target

LOSSES = ("ce", "ce+dice")
CLASS_WEIGHTS = ("none", "balanced")


class Segmentation(Task):
    """Cross-entropy over the pixels that have a label; metrics pooled over the data set.

    Args:
        loss: ``ce``, or ``ce+dice``, which adds 1 − the mean over an image's classes of the soft
            Dice coefficient 2 Σ p g / (Σ p + Σ g) (Milletari, Navab and Ahmadi 2016): it weighs a
            small class as much as a large one.
        class_weights: of the cross-entropy: ``none``, ``balanced`` (pixels / (K · pixels of the
            class) over the training masks, so that all classes weigh the same in sum), or a list
            of K numbers.
    """

    NAME = "segmentation"
    LABEL = "mask"
    WEIGHT = 0.7  # the paper's α
    METRICS: ClassVar = {
        "iou": MetricInfo("average IoU", 1.0),
        "weighted_iou": MetricInfo("weighted IoU", 1.0),
        "f1": MetricInfo("segmentation F1", 1.0),
        "pixel_accuracy": MetricInfo("pixel accuracy", 1.0),
    }

    def __init__(
        self,
        classes: ClassNames,
        *,
        loss: str = "ce",
        class_weights: str | list[float] = "none",
    ) -> None:
        super().__init__(classes)
        if loss not in LOSSES:
            raise UsageError(
                f"tasks.options.segmentation.loss: {loss!r} is unknown; allowed are "
                f"{', '.join(LOSSES)}"
            )
        self.with_dice = loss == "ce+dice"
        self.balanced = class_weights == "balanced"
        #: Of the cross-entropy, float32 (K,); None for equal ones.
        self.class_weights = _checked_weights(class_weights, classes.mask)
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

    @property
    def counts_pixels(self) -> bool:
        return self.balanced

    def see_pixels(self, pixels: np.ndarray) -> None:
        """Balanced class weights; a class without a pixel keeps weight 1, which nothing reads."""
        even = pixels.sum() / len(pixels)
        weights = np.where(pixels > 0, even / np.maximum(pixels, 1), 1.0)
        self.class_weights = torch.from_numpy(weights.astype(np.float32))

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """The loss over each image's labelled pixels: logits (N, K, H, W) → (N,)."""
        labels, seen = value.long(), value != IGNORE_INDEX
        weights = self.class_weights
        if weights is not None:
            weights = sent(weights, prediction.device).to(prediction.dtype)
        pixels = F.cross_entropy(
            prediction, labels, weights, ignore_index=IGNORE_INDEX, reduction="none"
        )
        if weights is None:
            total = seen.flatten(1).sum(dim=1).clamp_min(1)
        else:
            of_pixels = torch.where(seen, weights[torch.where(seen, labels, 0)], 0.0)
            total = of_pixels.flatten(1).sum(dim=1).clamp_min(torch.finfo(weights.dtype).tiny)
        found = pixels.flatten(1).sum(dim=1) / total
        return found + dice_loss(prediction, labels, seen) if self.with_dice else found

    def metrics(self) -> TaskMetrics:
        """See :meth:`pooled`."""
        return PooledMetrics(3 * len(self.classes.mask), self.pixels, self.pooled, self.remarks)

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``iou``: the mean over the classes that an image's mask or prediction holds."""
        counts = self.counts(prediction, value)
        pooled = torch.from_numpy(self.pool(counts.cpu().double().numpy()))
        return {"iou": pooled.float().to(counts.device)}

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Pixels in intersection and union of each class, (N, 2K)."""
        pixels = self.pixels(prediction, value).view(len(value), len(self.classes.mask), 3)
        return pixels[..., :2].flatten(1).float()

    def pool(self, counts: np.ndarray) -> np.ndarray:
        """The mean IoU over the classes that occur."""
        return _mean(_ratio(counts[..., 0::2], counts[..., 1::2]))

    def pixels(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Labelled pixels in intersection, union and mask of each class, int64 (N, 3K)."""
        images, classes = len(value), len(self.classes.mask)
        # Every image has class numbers of its own, so that one count tells images apart.
        first = classes * torch.arange(images, device=value.device).view(-1, 1, 1)
        found, true = prediction.argmax(dim=1) + first, value.long() + first
        seen = value != IGNORE_INDEX

        def count(numbers: Tensor, which: Tensor) -> Tensor:
            counted = torch.bincount(numbers[which], minlength=images * classes)
            return counted.view(images, classes)

        hits, actual = count(true, seen & (found == true)), count(true, seen)
        union = actual + count(found, seen) - hits
        return torch.stack([hits, union, actual], dim=2).flatten(1)

    def averaged(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_softmax(outputs)

    def confusion(self, prediction: Tensor, value: Tensor) -> Tensor:
        seen = value != IGNORE_INDEX
        found = prediction.argmax(dim=1)[seen]
        return confusion_counts(found, value[seen], len(self.classes.mask))

    def pooled(self, sums: np.ndarray) -> dict[str, MetricValue]:
        """IoU, frequency-weighted IoU, F1 and pixel accuracy from sums of :meth:`pixels`, (3K,).

        With n_ij the labelled pixels of class i predicted as j, over the whole data set:
        IoU_i = n_ii / (Σ_j n_ij + Σ_j n_ji − n_ii); ``iou`` is its mean, ``weighted_iou`` its mean
        weighted by the pixels of class i; F1_i = 2 n_ii / (Σ_j n_ij + Σ_j n_ji), ``f1`` its mean;
        ``pixel_accuracy`` = Σ_i n_ii / Σ_ij n_ij. A class that neither targets nor predictions hold
        has no IoU (None) and drops out of the means.
        """
        hits, union, actual = sums.reshape(-1, 3).T
        if not actual.sum():
            return dict.fromkeys((*self.METRICS, "iou_per_class"))
        iou = _ratio(hits, union)
        return {
            "iou": float(self.pool(np.stack([hits, union], axis=1).ravel())),
            "weighted_iou": float((np.nan_to_num(iou) * actual).sum() / actual.sum()),
            "f1": float(_mean(_ratio(2 * hits, hits + union))),
            "pixel_accuracy": float(hits.sum() / actual.sum()),
            "iou_per_class": [known(value) for value in iou],
        }

    def remarks(self, sums: np.ndarray) -> Remarks:
        """Which classes a validation did not find, from sums of :meth:`pixels`, (3K,)."""
        hits, union, actual = sums.reshape(-1, 3).T
        found = union - actual + hits
        return missed_classes(self.classes.mask, hits, found, actual, self._remedies())

    def _remedies(self) -> list[str]:
        """Options that give rare classes more weight, and are not in use."""
        weighted = self.balanced or self.class_weights is not None
        unused = {"class_weights balanced": not weighted, "loss ce+dice": not self.with_dice}
        return [f"--tasks.options.segmentation.{one}" for one, free in unused.items() if free]

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Class indices at the photo's size, uint8 (H, W): logits are enlarged, then compared."""
        return largest_enlarged(prediction.float(), size).cpu().numpy()

    def label(self, sample: Sample) -> np.ndarray | None:
        return sample.mask

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Tints every class but the first and draws its outline."""
        canvas = photo.copy()
        thickness = max(1, round(max(photo.shape[:2]) / 150))
        colours = class_colours(len(self.classes.mask))
        for number in range(1, len(self.classes.mask)):
            region = decoded == number
            colour = colours[number]
            # By a table for each channel: numbers of 8 bytes for a large photo's pixels take much.
            tinted = (0.55 * np.arange(256)[:, None] + 0.45 * colour).astype(np.uint8)
            for channel in range(3):
                plane = canvas[..., channel]  # a mask beside a number would become indices
                plane[region] = tinted[:, channel][plane[region]]
            canvas[_outline(region.view(np.uint8), thickness)] = colour
        return canvas


def _outline(region: np.ndarray, thickness: int) -> np.ndarray:
    """Where a region, uint8 (H, W) of 0 and 1, borders on others or ends with the picture; bool.

    cv2.findContours would take gigabytes where a large photo's mask is noise.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(region, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thickness, thickness))
    line = cv2.dilate(region - inner, pen)
    return np.asarray(line.view(np.bool_))


def dice_loss(prediction: Tensor, labels: Tensor, seen: Tensor) -> Tensor:
    """1 − the mean soft Dice coefficient of the classes that an image has.

    Args:
        prediction: logits (N, K, H, W).
        labels: int64 (N, H, W), class indices where seen.
        seen: bool (N, H, W), the labelled pixels.

    Returns:
        (N,), from 0 (perfect) to 1; 0 for an image without a labelled pixel.
    """
    count = prediction.shape[1]
    truth = F.one_hot(torch.where(seen, labels, 0), count).movedim(-1, 1) * seen[:, None]
    found = (prediction.softmax(dim=1) * seen[:, None]).flatten(2)
    truth = truth.to(found.dtype).flatten(2)
    there = truth.sum(dim=2) > 0
    shared, both = (found * truth).sum(dim=2), found.sum(dim=2) + truth.sum(dim=2)
    missed = torch.where(there, 1 - 2 * shared / both.clamp_min(1e-6), 0.0)
    return missed.sum(dim=1) / there.sum(dim=1).clamp_min(1)


def _checked_weights(given: str | list[float], classes: tuple[str, ...]) -> Tensor | None:
    """A user's class weights; raises :class:`UsageError` for what is none."""
    where = "tasks.options.segmentation.class_weights"
    if isinstance(given, str):
        if given not in CLASS_WEIGHTS:
            raise UsageError(
                f"{where}: {given!r} is unknown; allowed are {', '.join(CLASS_WEIGHTS)} and a "
                "list of numbers"
            )
        return None
    if len(given) != len(classes) or not all(0 <= one < math.inf for one in given):
        raise UsageError(
            f"{where}: {given} must be {len(classes)} numbers of at least 0, for "
            f"{', '.join(classes)}"
        )
    if not any(given):
        raise UsageError(f"{where}: {given} are all 0; one class must weigh something")
    return torch.tensor(given, dtype=torch.float32)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; 0/0 is NaN: the class occurs nowhere."""
    with np.errstate(invalid="ignore"):
        return np.asarray(part / whole)


def _mean(ratios: np.ndarray) -> np.ndarray:
    """The mean over the classes that occur, (…, K) → (…); NaN where none does."""
    there = ~np.isnan(ratios)
    return _ratio(np.where(there, ratios, 0.0).sum(-1), there.sum(-1))
