"""Peak signal-to-noise ratio, which two of the self-supervised tasks report."""

from __future__ import annotations

from torch import Tensor

#: dB of two images that are the same: the ratio itself would be infinite, and JSON has no infinity.
#: A mean squared error of 1e-10 is a thousandth of a step of 8-bit images.
IDENTICAL = 100.0


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """10 log10(1 / MSE) of each image, in dB, at most :data:`IDENTICAL`.

    Args:
        image, truth: float (N, C, H, W) in [0, 1].

    Returns:
        (N,).
    """
    square = (image - truth).square().flatten(1).mean(dim=1)
    return -10 * square.clamp_min(10 ** (-IDENTICAL / 10)).log10()
