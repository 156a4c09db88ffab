"""The few layers that every network is made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class InOrder:
    """Says of a module that a batch norm among its children normalises what the one before gives.

    Children are those registered, in this order: :mod:`auxseg.export` folds such norms.
    """


class ConvBNReLU(InOrder, nn.Sequential):
    """3×3 convolution → BatchNorm → ReLU, (N, C_in, H, W) → (N, C_out, H, W).

    The convolution has no bias: batch norm would take it away again.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeats the right and bottom edge until both sides are multiples of a number."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom or right:
        image = F.pad(image, (0, right, 0, bottom), mode="replicate")
    return image
