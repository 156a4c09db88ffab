"""SegNet's decoder: the encoder mirrored, unpooling with its indices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.checkpointing import region
from auxseg.models.layers import BLOCK_DEPTHS, ConvBNReLU, block_channels


class DecodedLevel(NamedTuple):
    """What one decoder block leaves behind.

    Attributes:
        unpooled: the block's input after unpooling, (N, C_j, H_j, W_j), mostly zeros.
        last: the block's output, (N, C_{j-1}, H_j, W_j), where C_0 = C_1.
    """

    unpooled: Tensor
    last: Tensor


class Decoder(nn.Module):
    """Five blocks of unpooling and 3×3 convolutions (Badrinarayanan et al. 2017), deepest first.

    There are 13 convolutions in all. ``blocks[0]`` mirrors the encoder's fifth block. The last
    convolution of each block brings the channels to those of the next block up.

    Attributes:
        checkpointing: see :data:`auxseg.models.checkpointing.MODES`.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = block_channels(width)
        self.out_channels = channels[0]
        blocks = []
        for number in reversed(range(len(channels))):
            depth = BLOCK_DEPTHS[number]
            sizes = [channels[number]] * depth + [channels[max(number - 1, 0)]]
            blocks.append(nn.Sequential(*(ConvBNReLU(a, b) for a, b in itertools.pairwise(sizes))))
        self.blocks = nn.ModuleList(blocks)
        self.checkpointing = "none"

    def block(self, number: int, features: Tensor, indices: Tensor) -> DecodedLevel:
        """Runs one block (0 is the deepest) with the indices of the encoder block it mirrors."""
        unpooled = F.max_unpool2d(features, indices, kernel_size=(2, 2))
        layers = self.blocks[number]
        return DecodedLevel(unpooled, region(self.checkpointing, [layers], layers, unpooled))

    def forward(self, features: Tensor, indices: Sequence[Tensor]) -> Tensor:
        """(N, C_5, H/32, W/32) and the encoder's five index maps → (N, C_1, H, W)."""
        for number, index in enumerate(reversed(indices)):
            features = self.block(number, features, index).last
        return features
