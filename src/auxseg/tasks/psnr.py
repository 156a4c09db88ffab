"""Peak signal-to-noise ratio, which three of the self-supervised tasks report."""

from __future__ import annotations

import torch
from torch import Tensor

#: dB of two images that are the same: the ratio itself would be infinite, and JSON has no infinity.
#: A mean squared error of 1e-10 is a thousandth of a step of 8-bit images.
IDENTICAL = 100.0


def psnr(image: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
    """10 log10(1 / MSE) of each image, in dB, at most :data:`IDENTICAL`.

    Args:
        image, truth: float (N, C, H, W) in [0, 1].
        where: bool (N, C, H, W), the values that count; all by default.

    Returns:
        (N,).
    """
    square = (image - truth).square()
    if where is None:
        mean = square.flatten(1).mean(dim=1)
    else:
        sums = torch.where(where, square, 0.0).flatten(1).sum(dim=1)
        mean = sums / where.flatten(1).sum(dim=1).clamp_min(1)
    return -10 * mean.clamp_min(10 ** (-IDENTICAL / 10)).log10()
