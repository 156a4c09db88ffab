"""The few layers that every architecture is made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

#: Output channels of VGG-16's five blocks (Simonyan and Zisserman, 2015, configuration D).
BLOCK_CHANNELS = (64, 128, 256, 512, 512)
#: 3×3 convolutions in each of those blocks.
BLOCK_DEPTHS = (2, 2, 3, 3, 3)
#: Five poolings by two: inputs are padded to a multiple of this and outputs cropped back.
STRIDE = 2 ** len(BLOCK_CHANNELS)


def block_channels(width: float) -> tuple[int, ...]:
    """Channel counts of the five blocks at a width; 1.0 is VGG-16's own.

    >>> block_channels(0.125)
    (8, 16, 32, 64, 64)
    """
    return tuple(max(4, round(channels * width)) for channels in BLOCK_CHANNELS)


class ConvBNReLU(nn.Sequential):
    """3×3 convolution → BatchNorm → ReLU, (N, C_in, H, W) → (N, C_out, H, W).

    The convolution has no bias: batch norm would take it away again.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def pad_to_stride(image: Tensor) -> Tensor:
    """Repeats the right and bottom edge until both sides are multiples of :data:`STRIDE`."""
    height, width = image.shape[-2:]
    bottom, right = -height % STRIDE, -width % STRIDE
    if bottom or right:
        image = F.pad(image, (0, right, 0, bottom), mode="replicate")
    return image
