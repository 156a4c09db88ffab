"""The shared trunk: VGG-16's convolutions with batch norm (Badrinarayanan et al. 2017, SegNet)."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.checkpointing import region
from auxseg.models.layers import BLOCK_DEPTHS, ConvBNReLU, block_channels


class Level(NamedTuple):
    """What one encoder block leaves behind.

    Attributes:
        first: u_j, the features after the block's first convolution, (N, C_j, H_j, W_j).
        last: p_j, those after its last, (N, C_j, H_j, W_j).
        pooled: last after 2×2 max pooling, (N, C_j, H_j/2, W_j/2).
        indices: where each maximum stood, int64 of pooled's shape, for unpooling.
    """

    first: Tensor
    last: Tensor
    pooled: Tensor
    indices: Tensor


class Encoder(nn.Module):
    """13 convolutions in five blocks, each ending in a pooling that keeps its indices.

    Args:
        in_channels: channels of the input image.
        width: scales every channel count.

    Attributes:
        checkpointing: see :data:`auxseg.models.checkpointing.MODES`.
    """

    def __init__(self, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        self.channels = block_channels(width)
        blocks = []
        for out_channels, depth in zip(self.channels, BLOCK_DEPTHS, strict=True):
            sizes = [in_channels] + [out_channels] * depth
            blocks.append(nn.ModuleList(ConvBNReLU(a, b) for a, b in itertools.pairwise(sizes)))
            in_channels = out_channels
        self.blocks = nn.ModuleList(blocks)
        self.checkpointing = "none"

    def block(self, number: int, features: Tensor) -> Level:
        """Runs one block (0 to 4) on (N, C_{j-1}, H_j, W_j)."""
        layers = self.blocks[number]
        return Level(*region(self.checkpointing, [layers], _run, layers, features))

    def forward(self, image: Tensor) -> list[Level]:
        """(N, in_channels, H, W), sides multiples of 32 → the five levels."""
        levels: list[Level] = []
        features = image
        for number in range(len(self.blocks)):
            levels.append(self.block(number, features))
            features = levels[-1].pooled
        return levels

    def layers(self) -> list[ConvBNReLU]:
        """The 13 convolution layers in order, as VGG-16 numbers them."""
        return [layer for layer in self.modules() if isinstance(layer, ConvBNReLU)]


def _run(layers: nn.Module, features: Tensor) -> Level:
    first, *others = layers.children()
    u = p = first(features)
    for layer in others:
        p = layer(p)
    pooled, indices = F.max_pool2d(p, kernel_size=2, return_indices=True)
    return Level(u, p, pooled, indices)
