"""Distance: how far every pixel is from the nearest border of its class; needs no further label."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.tasks.base import MetricInfo, Task, TaskMetrics, checked_scale
from auxseg.tasks.pooled import PooledMetrics, known
from auxseg.types import IGNORE_INDEX, ClassNames, HeadSpec, LabelledImages, Sample, Target

#: The distance that counts as 1, as a part of the image's shorter side.
REACH = 1 / 8

#: A pixel's value where nothing is known of it; distances are from -1 to 1.
UNKNOWN = -2.0

#: Sums of errors are kept in millionths: whole numbers add up exactly (see :class:`PooledMetrics`).
_UNIT = 1e-6

#: Colours at -1, 0 and 1, between them a mixture; and where nothing is known.
_FAR_OUTSIDE, _BORDER, _FAR_INSIDE = (33, 102, 172), (247, 247, 247), (178, 24, 43)
_NOTHING = (150, 150, 150)


class Distance(Task):
    """Smooth L1 of the signed distance to the nearest pixel of another class.

    With d that distance in pixels (Euclidean, exact) and S the image's shorter side, a pixel's
    target is ± min(d − ½, S/8) · 8/S, negative in class 0, the background, and positive in every
    other class. So it runs from −1 to 1; the border itself, half a pixel from the first pixel on
    either side, would be 0. The task is that of DTC (Luo et al. 2021, arXiv 2009.04448), whose
    distances span the whole object; cut off at S/8 they say the same however large it is.

    Pixels without a class are unknown, and make no border with those that have one. Where all
    labelled pixels of an image are of one class, there is no border near: they are all at −1 or 1.

    Args:
        scale: factor of the loss. To answer 0 everywhere costs about 0.3 on real photos; 2 brings
            that to the size of a two-class cross-entropy at the start.
    """

    NAME = "distance"
    LABEL = "mask"
    WEIGHT = 0.1
    # Of an error below 1, smooth L1 is half the square: the ½ of a squared error is in it already.
    REGRESSION = False
    LAYER = None
    METRICS: ClassVar = {
        "mae": MetricInfo("distance MAE (1 = S/8)", 0.0, higher_is_better=False),
    }

    def __init__(self, classes: ClassNames, *, scale: float = 2.0) -> None:
        super().__init__(classes)
        self.scale = checked_scale(self.NAME, scale)

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 1)

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 1, H, W), :data:`UNKNOWN` where a pixel has no class.

        Present where an image has a mask with a labelled pixel.
        """
        masks = images.mask.cpu().numpy()
        distances = np.stack([signed_distance(mask) for mask in masks])
        seen = images.mask.flatten(1).amin(dim=1) != IGNORE_INDEX
        return Target(torch.from_numpy(distances)[:, None], images.has_mask & seen)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """scale · the mean over each image's known pixels: (N, 1, H, W) → (N,)."""
        seen = value != UNKNOWN
        errors = F.smooth_l1_loss(prediction, value, reduction="none")
        sums = torch.where(seen, errors, 0.0).flatten(1).sum(dim=1)
        return self.scale * sums / seen.flatten(1).sum(dim=1).clamp_min(1)

    def metrics(self) -> TaskMetrics:
        """``mae``, the mean absolute error over all known pixels of all images, as parts of S/8."""
        return PooledMetrics(2, self.counts, lambda sums: {"mae": known(self.pool(sums))})

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """The sum of the absolute errors, in millionths, and the number of known pixels, (N, 2)."""
        seen = (value != UNKNOWN).flatten(1)
        errors = (prediction.clamp(-1, 1) - value).abs().flatten(1)
        sums = torch.where(seen, errors, 0.0).sum(dim=1)
        return torch.stack([(sums / _UNIT).round(), seen.sum(dim=1).to(sums)], dim=1)

    def pool(self, counts: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(_UNIT * counts[..., 0] / counts[..., 1])

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """The distance at every pixel of the photo, float32 (H, W) in [−1, 1].

        It is measured in the square image of the training size: in a photo that is not square, a
        pixel's height and width weigh differently.
        """
        distance = F.interpolate(
            prediction[None].float(), size=size, mode="bilinear", align_corners=False
        )
        return distance[0, 0].clamp(-1, 1).cpu().numpy()

    def label(self, sample: Sample) -> np.ndarray | None:
        """NaN where a pixel has no class."""
        if sample.mask is None:
            return None
        distance = signed_distance(sample.mask)
        return np.where(distance == UNKNOWN, np.float32(np.nan), distance)

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """Blue in the background, white at the border, red inside; grey where unknown."""
        ends = np.where(decoded[..., None] < 0, _FAR_OUTSIDE, _FAR_INSIDE)
        far = np.abs(np.nan_to_num(decoded))[..., None]
        colours = np.where(
            np.isnan(decoded)[..., None], _NOTHING, far * ends + (1 - far) * np.array(_BORDER)
        )
        return colours.round().astype(np.uint8)


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """The target of :class:`Distance` for one mask.

    Args:
        mask: uint8 (H, W), class indices and :data:`~auxseg.types.IGNORE_INDEX`.

    Returns:
        float32 (H, W) in [−1, 1]; :data:`UNKNOWN` where a pixel has no class.
    """
    reach = REACH * min(mask.shape)
    labelled = mask != IGNORE_INDEX
    value = np.full(mask.shape, UNKNOWN, dtype=np.float32)
    for number in np.unique(mask[labelled]):
        own, others = mask == number, labelled & (mask != number)
        value[own] = 1.0
        if others.any():
            near = (_to_nearest(others)[own] - 0.5).clip(0, reach)
            value[own] = near / np.float32(reach)
        if number == 0:
            value[own] *= -1
    return value


def _to_nearest(there: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest one that is there, float32 (H, W), in pixels.

    A squared distance is a whole number; OpenCV's is off by a rounding error that depends on the
    direction it comes from. Rounded, a mirrored mask has exactly the mirrored distances.
    """
    distance = cv2.distanceTransform(
        np.logical_not(there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return np.asarray(np.sqrt(np.rint(np.square(distance))))
