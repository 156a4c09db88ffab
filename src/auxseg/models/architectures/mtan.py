"""MTAN as the paper changed it: soft attention per task, in the encoder only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.attention import AttentionMask
from auxseg.models.base import MultiTaskModel
from auxseg.models.checkpointing import region
from auxseg.models.decoders.segnet import Decoder
from auxseg.models.encoders.vgg16 import Level
from auxseg.models.heads import Head
from auxseg.models.layers import ConvBNReLU


class AttentiveEncoder(MultiTaskModel):
    """Every task picks its own features from the shared trunk, block by block.

    In block j, with u_j and p_j the trunk's features after the block's first and last convolution:

        a_{j,t} = AttentionMask([u_j ; f_{j-1,t}])      (u_1 alone in the first block)
        f_{j,t} = maxpool2×2(outer_j(a_{j,t} ⊙ p_j))    (outer_j: C_j → C_{j+1}, all tasks share it)
    """

    def __init__(self, heads: Mapping[str, Head], width: float = 1.0, in_channels: int = 3) -> None:
        super().__init__(heads, width, in_channels)
        channels = self.encoder.channels
        self.outer = nn.ModuleList(
            ConvBNReLU(a, b) for a, b in zip(channels, (*channels[1:], channels[-1]), strict=True)
        )
        # f_{j-1} has C_j channels already: the outer convolution of block j-1 brought it there.
        sizes = (channels[0], *(2 * count for count in channels[1:]))
        self.attention = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    AttentionMask(a, b) for a, b in zip(sizes, channels, strict=True)
                )
                for name in self.heads
            }
        )

    def attend(
        self, image: Tensor, names: Collection[str]
    ) -> tuple[list[Level], dict[str, Tensor]]:
        """The trunk's five levels, and f_{5,t} of these tasks, (N, C_5, H/32, W/32)."""
        levels: list[Level] = []
        features: dict[str, Tensor] = {}
        trunk = image
        for number, outer in enumerate(self.outer):
            level = self.encoder.block(number, trunk)
            for name in names:
                attention = self.attention[name][number]  # type: ignore[index]
                features[name] = region(
                    self.checkpointing,
                    [attention, outer],
                    _attended,
                    attention,
                    outer,
                    level,
                    features.get(name),
                )
            trunk = level.pooled
            levels.append(level)
        return levels, features


def _attended(
    attention: AttentionMask, outer: ConvBNReLU, level: Level, features: Tensor | None
) -> Tensor:
    """f_{j,t} from the trunk's block j and f_{j-1,t}, None in the first block."""
    seen = level.first if features is None else torch.cat([level.first, features], dim=1)
    return F.max_pool2d(outer(attention(seen) * level.last), kernel_size=2)


class MTAN(AttentiveEncoder):
    """Attention in the encoder, then a SegNet decoder per dense task.

    A dense task decodes f_{5,t} with its own decoder and the shared trunk's pooling indices; a
    global task reads f_{5,t}.
    """

    def __init__(self, heads: Mapping[str, Head], width: float = 1.0, in_channels: int = 3) -> None:
        super().__init__(heads, width, in_channels)
        self.decoders = nn.ModuleDict({name: Decoder(width) for name in self.dense})

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels, features = self.attend(image, names)
        indices = [level.indices for level in levels]
        for name in names:
            if name in self.decoders:
                features[name] = self.decoders[name](features[name], indices)
        return features
