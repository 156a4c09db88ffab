"""Consistency: on photos without a mask, to say of a distorted photo what a teacher says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.tasks.averages import mean_softmax
from auxseg.tasks.base import MetricInfo, MetricValue, Remarks, Task, TaskMetrics
from auxseg.tasks.missed import listed
from auxseg.tasks.pooled import PooledMetrics, known
from auxseg.tasks.segmentation import Segmentation
from auxseg.tasks.strong import distorted, drawn_piece, generators, inside
from auxseg.types import IGNORE_INDEX, ClassNames, Example, HeadSpec, LabelledImages, Sample, Target


class Consistency(Task):
    """Cross-entropy to the confident part of the teacher's segmentation of the undistorted photo.

    One weak and one strong view, as FixMatch (Sohn et al. 2020), with UniMatch V2's teacher,
    distortions and CutMix (Yang et al. 2025). It reads segmentation's own output, and learns from
    photos without a mask alone. The teacher answers for the photo as it is; where a piece of
    another photo was pasted in, that photo's answer counts. Pixels that the teacher is not sure
    of add nothing to the loss, which is divided by all pixels all the same: so it grows with the
    teacher's confidence.

    Args:
        threshold: the probability from which on the teacher is believed, 0 to 1.
        cutmix: how often a photo gets a piece of another, 0 to 1.
        strength: of the change of colours, 0 to 1.
        ramp: share of the steps in which the loss gains its full weight, from e⁻⁵ of it, as
            e^(−5 (1 − x)²) (Laine and Aila 2017); 0 for full weight from the start.
    """

    NAME = "consistency"
    LABEL = None
    VIEW = "strong"
    SHAREABLE = False
    DRAWS_TARGET = True
    READS_PRIMARY = True
    ASKS_TEACHER = True
    WEIGHT = 0.7  # segmentation's, as in UniMatch
    METRICS: ClassVar = {"agreement": MetricInfo("agreement with the teacher", 1.0)}
    REFERENCES: ClassVar = {"confident": MetricInfo("confident pixels", 1.0)}

    def __init__(
        self,
        classes: ClassNames,
        *,
        threshold: float = 0.95,
        cutmix: float = 0.5,
        strength: float = 0.5,
        ramp: float = 0.0,
    ) -> None:
        super().__init__(classes)
        shares = {"threshold": threshold, "cutmix": cutmix, "strength": strength, "ramp": ramp}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise UsageError(
                    f"tasks.options.{self.NAME}.{name}: {value} is not between 0 and 1"
                )
        self.threshold, self.cutmix = threshold, cutmix
        self.strength, self.ramp = strength, ramp
        self._segmentation = Segmentation(classes)
        self._masked: list[str] = []

    @property
    def head(self) -> HeadSpec:
        return self._segmentation.head

    def example(self, images: LabelledImages, seed: int) -> Example:
        """The view are distorted images with pieces of one another; see :meth:`target`.

        A photo's piece comes from the next photo of the batch.
        """
        draws = generators(images, seed)
        view = distorted(images.image, self.strength, draws)
        height, width = view.shape[-2:]
        pieces = torch.tensor([drawn_piece(draw, height, width, self.cutmix) for draw in draws])
        partner = torch.arange(len(view)).roll(-1)
        pasted = inside(pieces, height, width)[:, None]
        plan = torch.cat([partner[:, None], pieces], dim=1)
        return Example(torch.where(pasted, view[partner], view), Target(plan, images.counted))

    def measured(self, images: LabelledImages, seed: int) -> Example:
        """Distorted images, without pieces of others."""
        view = distorted(images.image, self.strength, generators(images, seed))
        return Example(view, self.target(images))

    def target(self, images: LabelledImages) -> Target:
        """Value int64 (N, 5), until the teacher has been asked (:meth:`complete`).

        The number in the batch of the image that a piece comes from, and the piece: top, left,
        bottom, right.
        """
        count = len(images.image)
        plan = torch.zeros(count, 5, dtype=torch.long)
        plan[:, 0] = torch.arange(count)
        return Target(plan, images.counted)

    def complete(self, value: Tensor, clean: Tensor) -> Tensor:
        """The teacher's classes, uint8 (N, H, W), :data:`IGNORE_INDEX` where it is not confident.

        Args:
            value: as :meth:`example` leaves it.
            clean: the teacher's logits (N, K, H, W) for the undistorted images.
        """
        probability, found = clean.float().softmax(dim=1).max(dim=1)
        found = torch.where(probability >= self.threshold, found, IGNORE_INDEX).to(torch.uint8)
        pasted = inside(value[:, 1:], *found.shape[-2:])
        return torch.where(pasted, found[value[:, 0]], found)

    def teaching(self, target: Target) -> Tensor:
        """Pixels that the teacher gives each class, and all pixels: int64 (K + 1,)."""
        # Neither bincount nor an index: a GPU would have to be waited for.
        classes = torch.arange(len(self.classes.mask), device=target.value.device)
        pixels = target.value.flatten(1)
        given = (pixels[:, None] == classes.view(-1, 1)).sum(dim=2)  # (N, K)
        everything = torch.full_like(given[:, :1], pixels.shape[1])
        return (torch.cat([given, everything], dim=1) * target.present[:, None]).sum(dim=0)

    @property
    def counts_pixels(self) -> bool:
        return True

    def see_pixels(self, pixels: np.ndarray) -> None:
        """Takes note of the classes that the masks hold: the teacher should find them, too."""
        self._masked = [name for name, n in zip(self.classes.mask, pixels, strict=True) if n]

    def lacking(self, pixels: Sequence[int]) -> Remarks:
        """The classes of the masks that the teacher was sure of nowhere.

        Args:
            pixels: that it gave each class in an epoch.
        """
        found = {name for name, n in zip(self.classes.mask, pixels, strict=True) if n}
        missed = [name for name in self._masked if name not in found]
        if not missed:
            return Remarks()
        remark = (
            f"teaches no pixel of {listed(missed)}: the teacher was never sure of one; longer "
            f"training or a lower --tasks.options.{self.NAME}.threshold may help"
        )
        return Remarks(remark, remark)

    def weight_at(self, progress: float) -> float:
        if progress >= self.ramp:
            return 1.0
        return math.exp(-5 * (1 - progress / self.ramp) ** 2)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """The sum over the confident pixels of each image, divided by all: logits → (N,)."""
        pixels = F.cross_entropy(
            prediction, value.long(), ignore_index=IGNORE_INDEX, reduction="none"
        )
        return pixels.flatten(1).mean(dim=1)

    def averaged(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_softmax(outputs)

    def metrics(self) -> TaskMetrics:
        """``agreement`` over confident pixels; ``confident``, their share of all pixels."""
        return PooledMetrics(3, self.counts, self.pooled)

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Confident pixels that agree, confident pixels, all pixels of each image: (N, 3)."""
        sure = value != IGNORE_INDEX
        agree = sure & (prediction.argmax(dim=1) == value)
        counted = (agree, sure, torch.ones_like(sure))
        return torch.stack([one.flatten(1).sum(dim=1) for one in counted], dim=1).float()

    def pool(self, counts: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(counts[..., 0] / counts[..., 1])

    def pooled(self, sums: np.ndarray) -> dict[str, MetricValue]:
        """Both metrics from sums of :meth:`counts`, (3,)."""
        if not sums[2]:
            return dict.fromkeys(self.metric_infos())
        return {"agreement": known(self.pool(sums)), "confident": float(sums[1] / sums[2])}

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Segmentation's: it is the same output."""
        return self._segmentation.decode(prediction, size)

    def label(self, sample: Sample) -> np.ndarray | None:
        return self._segmentation.label(sample)

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        return self._segmentation.picture(photo, decoded)
