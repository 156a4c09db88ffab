"""MTAN as the paper changed it: soft attention per task, in the encoder only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.attention import AttentionMask
from auxseg.models.base import MultiTaskModel
from auxseg.models.checkpointing import region
from auxseg.models.decoder import Decoder
from auxseg.models.encoder import Level
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
        # What is computed again is held for one task at a time, where memory counts most.
        groups = [[name] for name in names] if self.checkpointing == "full" else [list(names)]
        for number, outer in enumerate(self.outer):
            level = self.encoder.block(number, trunk)
            for group in groups:
                attentions = [self.attention[name][number] for name in group]  # type: ignore[index]
                before = [features[name] for name in group if number]
                modules = [*attentions, outer]
                found = region(
                    self.checkpointing, modules, _attended, attentions, outer, level, before
                )
                features |= zip(group, found, strict=True)
            trunk = level.pooled
            levels.append(level)
        return levels, features


def _attended(
    attentions: Sequence[nn.Module], outer: ConvBNReLU, level: Level, features: Sequence[Tensor]
) -> list[Tensor]:
    """f_{j,t} of every task from the trunk's block j and all f_{j-1,t}, none in the first block.

    The shared convolution runs once over all tasks: deep in the network its weights are more than
    what it works on, and are fetched once. Its batch norm still sees one task at a time.
    """
    inputs = [torch.cat([level.first, one], dim=1) for one in features]
    masked = [
        attention(seen) * level.last
        for attention, seen in zip(
            attentions, inputs or [level.first] * len(attentions), strict=True
        )
    ]
    convolution, norm, activation = outer
    together = convolution(torch.cat(masked))
    return [F.max_pool2d(activation(norm(one)), 2) for one in together.chunk(len(masked))]


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
