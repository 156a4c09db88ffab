"""MTAN as the paper changed it: soft attention per task, in the encoder only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.attention import AttentionMask
from auxseg.models.base import MultiTaskModel, Parts
from auxseg.models.checkpointing import region
from auxseg.models.encoders.base import Encoder, Level
from auxseg.models.heads import Head
from auxseg.models.layers import ConvBNReLU


class AttentiveEncoder(MultiTaskModel):
    """Every task picks its own features from the shared encoder, level by level.

    With u_j and p_j the encoder's features after the first and the last block of stage j, and C_j
    channels of p_j:

        a_{j,t} = AttentionMask([u_j ; f_{j-1,t}])      (u_1 alone in the first level)
        f_{j,t} = down_j(outer_j(a_{j,t} ⊙ p_j))        (outer_j: C_j → C_{j+1}, all tasks share it)

    down_j is max pooling by the ratio of the strides of this level and the next (of the encoder's
    output, after the last): 2×2, or nothing where the last level already is the output.
    """

    PER_TASK = ("heads", "decoders", "attention")

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        channels, strides = encoder.channels, encoder.strides
        self.outer = nn.ModuleList(
            ConvBNReLU(a, b) for a, b in zip(channels, (*channels[1:], channels[-1]), strict=True)
        )
        self.ratios = tuple(
            coarse // fine
            for fine, coarse in zip(strides, (*strides[1:], encoder.out_stride), strict=True)
        )
        # f_{j-1} has C_j channels already: the outer convolution of level j-1 brought it there.
        carried = (0, *channels[1:])
        sizes = [a + b for a, b in zip(encoder.first_channels, carried, strict=True)]
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
    ) -> tuple[list[Level], dict[str, Tensor], dict[str, list[Tensor]]]:
        """Runs encoder and attention.

        Returns:
            the encoder's levels; f_{L,t} of these tasks, (N, C_L, H/s, W/s); and their attended
            features a_{j,t} ⊙ p_j of every level, (N, C_j, H_j, W_j), which a U-Net decoder joins.
        """
        levels = self.encoder(image)
        features: dict[str, Tensor] = {}
        attended: dict[str, list[Tensor]] = {name: [] for name in names}
        for number, (level, outer, ratio) in enumerate(
            zip(levels, self.outer, self.ratios, strict=True)
        ):
            for name in names:
                attention = self.attention[name][number]  # type: ignore[index]
                picked, features[name] = region(
                    self.checkpointing,
                    [attention, outer],
                    _attend,
                    attention,
                    outer,
                    ratio,
                    level,
                    features.get(name),
                )
                attended[name].append(picked)
        return levels, features, attended


def _attend(
    attention: AttentionMask, outer: ConvBNReLU, ratio: int, level: Level, before: Tensor | None
) -> tuple[Tensor, Tensor]:
    """a_{j,t} ⊙ p_j and f_{j,t}, from the encoder's level j and f_{j-1,t} (None in the first)."""
    seen = level.first if before is None else torch.cat([level.first, before], dim=1)
    picked = attention(seen) * level.last
    features = outer(picked)
    return picked, F.max_pool2d(features, kernel_size=ratio) if ratio > 1 else features


class MTAN(AttentiveEncoder):
    """Attention in the encoder, then a decoder per dense task (Liu, Johns and Davison 2019).

    A dense task decodes f_{L,t}: SegNet's decoder unpools with the shared encoder's indices, a
    U-Net decoder joins the task's own attended features. A global task reads f_{L,t}.
    """

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        self.decoders = nn.ModuleDict({name: parts.decoder(encoder) for name in self.dense})

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels, features, attended = self.attend(image, names)
        for name in names:
            if name in self.decoders:
                own = [
                    level._replace(last=picked)
                    for level, picked in zip(levels, attended[name], strict=True)
                ]
                features[name] = self.decoders[name](features[name], own)
        return features
