"""The attention of one task in one block (Liu, Johns and Davison 2019, MTAN, section 3.2)."""

from __future__ import annotations

from torch import nn


class AttentionMask(nn.Sequential):
    """a = sigmoid(BN(conv1×1(ReLU(BN(conv1×1(x)))))): (N, C_in, H, W) → (N, C, H, W) in (0, 1).

    The first convolution already brings the input to the block's C channels.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )
