"""SegNet with hard parameter sharing: one encoder, a decoder or a head per task."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from auxseg.models.base import MultiTaskModel
from auxseg.models.decoders.segnet import Decoder
from auxseg.models.heads import Head


class HardSharing(MultiTaskModel):
    """All tasks read the same encoder features (Badrinarayanan et al. 2017; Caruana 1997).

    Dense tasks have a SegNet decoder each, global ones (class, box) read the encoder's end.
    """

    def __init__(self, heads: Mapping[str, Head], width: float = 1.0, in_channels: int = 3) -> None:
        super().__init__(heads, width, in_channels)
        self.decoders = nn.ModuleDict({name: Decoder(width) for name in self.dense})

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels = self.encoder(image)
        encoded = levels[-1].pooled
        indices = [level.indices for level in levels]
        return {
            name: self.decoders[name](encoded, indices) if name in self.decoders else encoded
            for name in names
        }
