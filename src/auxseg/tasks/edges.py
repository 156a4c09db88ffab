"""Edges: where Canny's detector finds one (Canny 1986), for every pixel."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.tasks.base import MetricInfo, Task, TaskMetrics
from auxseg.tasks.pooled import PooledMetrics, binary_counts, f1, known
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target

NORMS = ("l2", "l1")
COLOURS = ("grey", "rgb")


class Edges(Task):
    """Binary cross-entropy in which an image's edge pixels weigh as much as all its others.

    Args:
        low, high: Canny's thresholds on the gradient of 8-bit images; OpenCV's usual values.
        norm: length of the gradient, ``l2`` as in Canny's paper, or ``l1`` (|dx| + |dy|), which is
            OpenCV's default.
        colour: ``grey``, or ``rgb``: at each pixel the channel of the steepest gradient.

    Where two neighbours have the same gradient OpenCV keeps the left one, so the edges of a
    mirrored photo are not quite the mirrored edges: 0.02 % of the edge pixels move with ``l2``,
    0.6 % with ``l1``. Training never sees it: targets are made after the flip.
    """

    NAME = "edges"
    SELF_SUPERVISED = True
    WEIGHT = 0.1
    LAYER = None
    METRICS: ClassVar = {"f1": MetricInfo("edge F1", 1.0)}

    def __init__(
        self,
        classes: ClassNames,
        *,
        low: float = 100.0,
        high: float = 200.0,
        norm: str = "l2",
        colour: str = "grey",
    ) -> None:
        super().__init__(classes)
        if not 0 <= low <= high:
            raise UsageError(
                f"tasks.options.edges: low {low:g} and high {high:g} are not thresholds "
                "(0 ≤ low ≤ high)"
            )
        for key, value, allowed in (("norm", norm, NORMS), ("colour", colour, COLOURS)):
            if value not in allowed:
                raise UsageError(
                    f"tasks.options.edges.{key}: {value!r} is unknown; allowed are "
                    f"{', '.join(allowed)}"
                )
        self.low, self.high, self.norm, self.colour = low, high, norm, colour

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 1)

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 1, H, W), 1 on edges and 0 elsewhere."""
        edges = np.stack([self.detect(_levels(image)) for image in images.image.cpu().numpy()])
        return Target(torch.from_numpy(edges)[:, None].float(), images.counted)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Canny's edges of uint8 (H, W, 3) RGB: bool (H, W)."""
        if self.colour == "grey":
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found = cv2.Canny(
            np.ascontiguousarray(image), self.low, self.high, L2gradient=self.norm == "l2"
        )
        return np.asarray(found > 0)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """½ (mean over edge pixels + mean over the others) of each image: logits → (N,).

        The class balance of Xie and Tu (2015, HED, eq. 2), normalised so that an uninformed
        prediction costs log 2 however few edges there are. Where an image has edges only, or
        none, it is the mean over all pixels.
        """
        pixels = F.binary_cross_entropy_with_logits(prediction, value, reduction="none").flatten(1)
        edge = value.flatten(1)
        sums = torch.stack([(pixels * edge).sum(1), (pixels * (1 - edge)).sum(1)])
        counts = torch.stack([edge.sum(1), (1 - edge).sum(1)])
        return (sums / counts.clamp_min(1)).sum(0) / (counts > 0).sum(0)

    def metrics(self) -> TaskMetrics:
        """``f1`` of edge pixels, pooled over the data set; None where there is no edge at all.

        A pixel counts as hit only where the edge itself is, without tolerance.
        """
        return PooledMetrics(3, self.counts, lambda sums: {"f1": known(f1(sums))})

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Edge pixels that were hit, found and true, (N, 3)."""
        return binary_counts(prediction > 0, value > 0)

    def pool(self, counts: np.ndarray) -> np.ndarray:
        return f1(counts)

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Where an edge is more likely than not, at the photo's size: bool (H, W)."""
        logits = F.interpolate(
            prediction[None].float(), size=size, mode="bilinear", align_corners=False
        )
        return (logits[0, 0] > 0).cpu().numpy()

    def label(self, sample: Sample) -> np.ndarray:
        return self.detect(sample.image)

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Dark lines on white."""
        return np.where(decoded[..., None], np.uint8(20), np.uint8(255)).repeat(3, axis=2)


def _levels(image: np.ndarray) -> np.ndarray:
    """float32 (3, H, W) in [0, 1] → uint8 (H, W, 3).

    OpenCV rounds as torch does (halves to the even number), in a sixth of the time.
    """
    rows = np.ascontiguousarray(image).reshape(-1, image.shape[-1])
    levels = cv2.convertScaleAbs(rows, alpha=255).reshape(image.shape)
    return np.asarray(cv2.merge(tuple(levels)))
