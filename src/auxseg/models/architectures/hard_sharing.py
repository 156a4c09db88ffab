"""Hard parameter sharing: one encoder, a decoder or a head per task."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from auxseg.models.base import MultiTaskModel, Parts
from auxseg.models.encoders.base import Encoder
from auxseg.models.heads import Head


class HardSharing(MultiTaskModel):
    """All tasks read the same encoder features (Caruana 1997).

    Dense tasks have a decoder each (with VGG-16 and SegNet's: Badrinarayanan et al. 2017), global
    ones (class, box) read the encoder's end.
    """

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        self.decoders = nn.ModuleDict({name: parts.decoder(encoder) for name in self.dense})
        self.prune(heads)

    def prune(self, names: Collection[str]) -> None:
        """Without a decoder nobody reads any level but the last."""
        super().prune(names)
        if not self.decoders:
            self.encoder.prune()

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels = self.encoder(image)
        encoded = levels[-1].next
        return {
            name: self.decoders[name](encoded, levels) if name in self.decoders else encoded
            for name in names
        }
