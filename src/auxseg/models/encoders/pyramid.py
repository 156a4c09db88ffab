"""Levels that a backbone does not have, made by a few layers that are learned from scratch.

Decoders join levels down to stride 2. Many backbones start at stride 4; plain vision transformers
have one grid of features only.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.layers import ConvBNReLU

#: Strides of the levels from which a U-Net decoder gets back to the image's size.
STRIDES = (2, 4, 8, 16, 32)
#: Channels of the levels made here: few where there are many pixels.
CHANNELS = (32, 64, 128, 256, 512)


class FinerLevels(nn.ModuleList):
    """The levels finer than a backbone's own, from the image: a convolution of stride 2 each.

    Args:
        in_channels: of the image.
        finest: stride of the backbone's first level.

    Attributes:
        channels, strides: of the levels made here; empty where the backbone has stride 2 itself.
    """

    def __init__(self, in_channels: int, finest: int) -> None:
        super().__init__()
        self.strides = tuple(stride for stride in STRIDES if stride < finest)
        self.channels = CHANNELS[: len(self.strides)]
        sizes = (in_channels, *self.channels)
        self.extend(ConvBNReLU(a, b, stride=2) for a, b in itertools.pairwise(sizes))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) → (N, C_j, H/s_j, W/s_j) for each of these levels."""
        levels: list[Tensor] = []
        for layer in self:
            levels.append(layer(levels[-1] if levels else image))
        return levels

    def prune(self) -> None:
        """Removes all layers; the image stands for their levels: nobody reads them."""
        for number in range(len(self)):
            self[number] = nn.Identity()


class GridPyramid(nn.ModuleList):
    """All five levels from one grid of features: a convolution each, then resized.

    The simple feature pyramid of Li et al. 2022 (arXiv 2203.16527), with resizing in place of its
    transposed convolutions.

    Args:
        in_channels: of the grid.

    Attributes:
        channels, strides: of the levels.
    """

    strides = STRIDES

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.channels = tuple(min(channels, in_channels) for channels in CHANNELS)
        self.extend(ConvBNReLU(in_channels, channels) for channels in self.channels)

    def forward(self, grid: Tensor, image: Tensor) -> list[Tensor]:
        """(N, in_channels, h, w), and an image for its size → (N, C_j, H/s_j, W/s_j) per level."""
        return [
            grid if isinstance(layer, nn.Identity) else on_grid(layer(grid), image, stride)
            for layer, stride in zip(self, self.strides, strict=True)
        ]

    def prune(self) -> None:
        """Removes all layers but the last; the grid stands for their levels: nobody reads them."""
        for number in range(len(self) - 1):
            self[number] = nn.Identity()


def on_grid(features: Tensor, image: Tensor, stride: int) -> Tensor:
    """Features resized so that there is one position per ``stride`` pixels of an image."""
    return resized(features, [side // stride for side in image.shape[-2:]])


def resized(features: Tensor, size: Sequence[int]) -> Tensor:
    """(N, C, h, w) → (N, C, *size), bilinearly."""
    return F.interpolate(features, size=list(size), mode="bilinear", align_corners=False)
