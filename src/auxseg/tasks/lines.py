"""What tasks have in common that ask of every pixel whether a line passes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.tasks.averages import mean_sigmoid
from auxseg.tasks.base import Task, TaskMetrics
from auxseg.tasks.pooled import PooledMetrics, binary_counts, f1, known
from auxseg.types import HeadSpec

#: A pixel's value where nothing is known of it.
UNKNOWN = -1.0


class Lines(Task):
    """Binary cross-entropy in which an image's pixels on a line weigh as much as all its others.

    Targets are float32 (N, 1, H, W): 1 on a line, 0 elsewhere, :data:`UNKNOWN` where nothing is
    known. ``f1`` of line pixels is pooled over the data set; a pixel counts as hit only where the
    line itself is, without tolerance.
    """

    LAYER = None

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 1)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """½ (mean over line pixels + mean over the others) of each image: logits → (N,).

        The class balance of Xie and Tu (2015, HED, eq. 2), normalised so that an uninformed
        prediction costs log 2 however few lines there are. Where an image has line pixels only, or
        none, it is the mean over all known pixels.
        """
        pixels = F.binary_cross_entropy_with_logits(
            prediction, value.clamp_min(0), reduction="none"
        ).flatten(1)
        sides = [(value == side).to(pixels.dtype).flatten(1) for side in (1, 0)]
        sums = torch.stack([(pixels * side).sum(1) for side in sides])
        counts = torch.stack([side.sum(1) for side in sides])
        return (sums / counts.clamp_min(1)).sum(0) / (counts > 0).sum(0).clamp_min(1)

    def averaged(self, outputs: Sequence[Tensor]) -> Tensor:
        return mean_sigmoid(outputs)

    def metrics(self) -> TaskMetrics:
        """``f1``; None where there is no line at all, found or true."""
        return PooledMetrics(3, self.counts, lambda sums: {"f1": known(f1(sums))})

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Line pixels that were hit, found and true, (N, 3)."""
        return binary_counts((prediction > 0) & (value != UNKNOWN), value == 1)

    def pool(self, counts: np.ndarray) -> np.ndarray:
        return f1(counts)

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Where a line is more likely than not, at the photo's size: bool (H, W)."""
        logits = F.interpolate(
            prediction[None].float(), size=size, mode="bilinear", align_corners=False
        )
        return (logits[0, 0] > 0).cpu().numpy()

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Dark lines on white."""
        return np.where(decoded[..., None], np.uint8(20), np.uint8(255)).repeat(3, axis=2)
