"""U-Net's decoder: upsampling with skip connections from every level of the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.checkpointing import region
from auxseg.models.decoders.base import Decoder
from auxseg.models.encoders.base import Encoder, Level
from auxseg.models.layers import ConvBNReLU

#: Channels of the blocks, deepest first; those of segmentation_models.pytorch, so that costs
#: compare. An encoder of fewer levels uses the last ones, one of more repeats the first.
BLOCK_CHANNELS = (256, 128, 64, 32, 16)


class UNetDecoder(Decoder):
    """Blocks of upsampling, concatenation and two 3×3 convolutions (Ronneberger et al. 2015).

    There is a block for every level finer than the encoder's output, deepest first, and a last one
    without a skip connection where the finest level is not at the image's size. A block enlarges
    to the size of the level that it joins, whatever that is. Deviations from the publication:
    padded convolutions with batch norm, and nearest-neighbour upsampling for the transposed
    convolution, both usual since.
    """

    def __init__(self, encoder: Encoder, width: float = 1.0) -> None:
        super().__init__(encoder, width)
        self.out_stride = encoder.out_stride
        #: Positions of the levels that are joined, deepest first.
        self.skips = tuple(
            number
            for number in reversed(range(len(encoder.strides)))
            if encoder.strides[number] < encoder.out_stride
        )
        joined = [encoder.channels[number] for number in self.skips]
        if encoder.strides[0] > 1:
            joined.append(0)
        more = (BLOCK_CHANNELS[0],) * (len(joined) - len(BLOCK_CHANNELS))
        counts = (*more, *BLOCK_CHANNELS[-len(joined) :])
        channels = [_scaled(count, width) for count in counts]
        before = [encoder.channels[-1], *channels[:-1]]
        self.blocks = nn.ModuleList(
            nn.Sequential(ConvBNReLU(a + skip, b), ConvBNReLU(b, b))
            for a, skip, b in zip(before, joined, channels, strict=True)
        )

    @classmethod
    def channels(cls, encoder: Encoder, width: float) -> int:
        return _scaled(BLOCK_CHANNELS[-1], width)

    def forward(self, features: Tensor, levels: Sequence[Level]) -> Tensor:
        full = [side * self.out_stride for side in features.shape[-2:]]
        skips: list[Tensor | None] = [levels[number].last for number in self.skips]
        skips += [None] * (len(self.blocks) - len(skips))
        for block, skip in zip(self.blocks, skips, strict=True):
            size = full if skip is None else list(skip.shape[-2:])
            features = region(self.checkpointing, [block], _join, block, features, skip, size)
        return features


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))


def _join(block: nn.Module, features: Tensor, skip: Tensor | None, size: list[int]) -> Tensor:
    features = F.interpolate(features, size=size, mode="nearest")
    joined: Tensor = block(features if skip is None else torch.cat([features, skip], dim=1))
    return joined
