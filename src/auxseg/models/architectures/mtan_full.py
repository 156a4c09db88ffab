"""MTAN as published: soft attention per task in the encoder and in one shared decoder."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.architectures.mtan import AttentiveEncoder
from auxseg.models.attention import AttentionMask
from auxseg.models.base import Parts
from auxseg.models.checkpointing import region
from auxseg.models.decoders.segnet import DecodedLevel, SegNetDecoder
from auxseg.models.encoders.base import Encoder
from auxseg.models.heads import Head
from auxseg.models.layers import ConvBNReLU


class MTANFull(AttentiveEncoder):
    """Liu, Johns and Davison 2019, figure 2. All dense tasks share one decoder trunk.

    In decoder block j, with u_j the trunk's unpooled features (C_j channels), p_j its output
    (C_{j-1} channels) and up() bilinear interpolation by two:

        g = outer_j(up(f_{j+1,t}))                     (C_j → C_{j-1}, all tasks share it)
        f_{j,t} = AttentionMask([u_j ; g]) ⊙ p_j

    Deviations: the channels change in each decoder block's last convolution, as in our SegNet, and
    not in its first; global tasks (class, box), which the publication has not, read the end of
    their encoder attention.
    """

    PER_TASK = ("heads", "attention", "decoder_attention")
    NEEDS_INDICES = True

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        if not self.dense:
            return
        channels = encoder.channels
        deepest_first = list(
            zip(reversed(channels), reversed((channels[0], *channels[:-1])), strict=True)
        )
        decoder = parts.decoder(encoder)
        assert isinstance(decoder, SegNetDecoder)  # assembly offers no other here
        self.decoder = decoder
        self.decoder_outer = nn.ModuleList(ConvBNReLU(a, b) for a, b in deepest_first)
        self.decoder_attention = nn.ModuleDict(
            {
                name: nn.ModuleList(AttentionMask(a + b, b) for a, b in deepest_first)
                for name in self.dense
            }
        )

    def prune(self, names: Collection[str]) -> None:
        """Without a dense output nothing reads the shared decoder."""
        super().prune(names)
        if not self.dense and hasattr(self, "decoder"):
            del self.decoder, self.decoder_outer, self.decoder_attention

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels, features, _ = self.attend(image, names)
        dense = [name for name in names if name in self.dense]
        if not dense:
            return features
        trunk = levels[-1].next
        for number, level in enumerate(reversed(levels)):
            assert level.indices is not None
            decoded = self.decoder.block(number, trunk, level.indices)
            for name in dense:
                attention = self.decoder_attention[name][number]  # type: ignore[index]
                modules = attention, self.decoder_outer[number]
                features[name] = region(
                    self.checkpointing, modules, _decoded, *modules, decoded, features[name]
                )
            trunk = decoded.last
        return features


def _decoded(
    attention: AttentionMask, outer: ConvBNReLU, decoded: DecodedLevel, features: Tensor
) -> Tensor:
    """f_{j,t} from the trunk's decoder block j and f_{j+1,t}."""
    size = decoded.unpooled.shape[-2:]
    raised = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
    seen = torch.cat([decoded.unpooled, outer(raised)], dim=1)
    found: Tensor = attention(seen) * decoded.last
    return found
