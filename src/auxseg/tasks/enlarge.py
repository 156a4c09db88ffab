"""From logits at the network's size to classes and probabilities at the photo's, in strips.

Memory does not grow with the classes times the photo's pixels: a photo of 12 megapixels and 60
classes would take 3 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: How many logits of a strip are in memory at a time.
_STRIP = 4_000_000


def largest_enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest of the K logits of every pixel of a larger picture.

    Equal to ``F.interpolate(logits, size, mode="bilinear").argmax(0)``.

    Args:
        logits: float32 (K, h, w).
        size: H and W.

    Returns:
        uint8 (H, W).
    """
    found = torch.empty(size, dtype=torch.uint8, device=logits.device)
    for rows, strip in _strips(logits, size):
        found[rows] = strip.argmax(dim=0).to(torch.uint8)
    return found


class Probabilities:
    """The probability of each class at every pixel of a photo, a class at a time.

    ``list(probabilities)`` are K arrays of float32 (H, W) in [0, 1], whose sum is 1.

    Args:
        logits: float32 (K, h, w).
        size: H and W.
    """

    def __init__(self, logits: Tensor, size: tuple[int, int]) -> None:
        self._logits, self._size = logits, size

    def __len__(self) -> int:
        return len(self._logits)

    def __getitem__(self, number: int) -> np.ndarray:
        """Of one class, float32 (H, W)."""
        own = self._logits[number][None]  # raises IndexError where there is none
        plane = torch.empty(self._size)
        for rows, strip in _strips(own, self._size):
            plane[rows] = (strip[0].cpu() - self._all[rows]).exp_()
        return plane.numpy()

    @cached_property
    def _all(self) -> Tensor:
        """The logarithm of the sum over the classes, (H, W)."""
        plane = torch.empty(self._size)
        for rows, strip in _strips(self._logits, self._size):
            plane[rows] = strip.logsumexp(dim=0).cpu()
        return plane


def _strips(logits: Tensor, size: tuple[int, int]) -> Iterator[tuple[slice, Tensor]]:
    """Rows of a larger picture with their logits, (K, rows, W), bilinear, pixels' centres met."""
    classes, rows = logits.shape[0], logits.shape[1]
    height, width = size
    wide = F.interpolate(logits[None], (rows, width), mode="bilinear", align_corners=False)[0]
    # Where each row of the picture lies between two rows of the logits.
    place = (torch.arange(height, device=logits.device) + 0.5) * (rows / height) - 0.5
    place = place.clamp_min(0)
    above = place.long().clamp_max(rows - 1)
    below = (above + 1).clamp_max(rows - 1)
    share = (place - above).to(logits.dtype)[:, None]
    step = max(1, _STRIP // (classes * width))
    for first in range(0, height, step):
        part = slice(first, first + step)
        yield part, torch.lerp(wide[:, above[part]], wide[:, below[part]], share[part])
