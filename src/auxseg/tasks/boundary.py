"""Boundary: the pixels near a border between two classes of the mask; needs no further label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auxseg.tasks.base import MetricInfo
from auxseg.tasks.lines import UNKNOWN, Lines
from auxseg.types import IGNORE_INDEX, LabelledImages, Sample, Target

#: How far a boundary reaches on either side of the border, in pixels of the training size.
REACH = 2

#: Where a pixel looks for another class: all pixels whose centre is at most REACH away.
_OFFSETS = tuple(
    (down, right)
    for down in range(-REACH, REACH + 1)
    for right in range(-REACH, REACH + 1)
    if 0 < down**2 + right**2 <= REACH**2
)


class Boundary(Lines):
    """Pixels at most 2 away from one of another class, learned as :class:`Lines` are.

    A boundary head beside segmentation is the idea of BoundarySeg (arXiv 2505.09829). Pixels
    without a class are unknown, and make no border with those that have one.
    """

    NAME = "boundary"
    LABEL = "mask"
    WEIGHT = 0.1
    METRICS: ClassVar = {"f1": MetricInfo("boundary F1", 1.0)}

    def target(self, images: LabelledImages) -> Target:
        """Present where an image has a mask with a labelled pixel."""
        known = images.mask != IGNORE_INDEX
        near = near_border(images.mask).float()
        value = torch.where(known, near, UNKNOWN)[:, None]
        return Target(value, images.has_mask & known.flatten(1).any(dim=1))

    def label(self, sample: Sample) -> np.ndarray | None:
        if sample.mask is None:
            return None
        return near_border(torch.from_numpy(sample.mask)[None])[0].numpy()


def near_border(mask: Tensor) -> Tensor:
    """Which pixels have one of another class at most :data:`REACH` away.

    Args:
        mask: uint8 (N, H, W), class indices and :data:`~auxseg.types.IGNORE_INDEX`.

    Returns:
        bool (N, H, W); False where the pixel itself has no class.
    """
    height, width = mask.shape[-2:]
    near = torch.zeros_like(mask, dtype=torch.bool)
    for down, right in _OFFSETS:
        here = (
            slice(max(0, -down), min(height, height - down)),
            slice(max(0, -right), min(width, width - right)),
        )
        there = (
            slice(max(0, down), min(height, height + down)),
            slice(max(0, right), min(width, width + right)),
        )
        own, other = mask[:, *here], mask[:, *there]
        near[:, *here] |= (own != other) & (own != IGNORE_INDEX) & (other != IGNORE_INDEX)
    return near
