"""SegNet's decoder: the encoder mirrored, unpooling with its indices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.checkpointing import region
from auxseg.models.decoders.base import Decoder
from auxseg.models.encoders.base import Encoder, Level
from auxseg.models.encoders.vgg16 import BLOCK_DEPTHS
from auxseg.models.layers import ConvBNReLU


class DecodedLevel(NamedTuple):
    """What one decoder block leaves behind.

    Attributes:
        unpooled: the block's input after unpooling, (N, C_j, H_j, W_j), mostly zeros.
        last: the block's output, (N, C_{j-1}, H_j, W_j), where C_0 = C_1.
    """

    unpooled: Tensor
    last: Tensor


class SegNetDecoder(Decoder):
    """Blocks of unpooling and 3×3 convolutions (Badrinarayanan et al. 2017), deepest first.

    As many blocks as the encoder has levels, with VGG-16's 13 convolutions in all: ``blocks[0]``
    mirrors the deepest level. The last convolution of each block brings the channels to those of
    the next block up.
    """

    NEEDS_INDICES = True

    def __init__(self, encoder: Encoder, width: float = 1.0) -> None:
        super().__init__(encoder, width)
        channels = encoder.channels
        blocks = []
        for number in reversed(range(len(channels))):
            depth = BLOCK_DEPTHS[number]
            sizes = [channels[number]] * depth + [channels[max(number - 1, 0)]]
            blocks.append(nn.Sequential(*(ConvBNReLU(a, b) for a, b in itertools.pairwise(sizes))))
        self.blocks = nn.ModuleList(blocks)

    @classmethod
    def channels(cls, encoder: Encoder, width: float) -> int:
        return encoder.channels[0]

    def block(self, number: int, features: Tensor, indices: Tensor) -> DecodedLevel:
        """Runs one block (0 is the deepest) with the indices of the encoder block it mirrors."""
        unpooled = F.max_unpool2d(features, indices, kernel_size=(2, 2))
        layers = self.blocks[number]
        return DecodedLevel(unpooled, region(self.checkpointing, [layers], layers, unpooled))

    def forward(self, features: Tensor, levels: Sequence[Level]) -> Tensor:
        for number, level in enumerate(reversed(levels)):
            assert level.indices is not None
            features = self.block(number, features, level.indices).last
        return features
