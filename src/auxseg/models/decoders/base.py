"""What every decoder has in common: an encoder's output in, features at image size out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from auxseg.models.encoders.base import Encoder, Level


class Decoder(nn.Module, ABC):
    """Brings features back to the image's size, for one dense task.

    A subclass is one file and one line in :data:`auxseg.models.decoders.DECODERS`. Its ``__init__``
    takes the encoder, of which it reads channels and strides alone, and the width.

    Attributes:
        out_channels: of what it returns; a dense head reads them.
        NEEDS_INDICES: whether it unpools, so that the encoder must keep its pooling indices.
        checkpointing: see :data:`auxseg.models.checkpointing.MODES`.
    """

    NEEDS_INDICES: ClassVar[bool] = False

    def __init__(self, encoder: Encoder, width: float = 1.0) -> None:
        super().__init__()
        self.out_channels = self.channels(encoder, width)
        self.checkpointing = "none"

    @classmethod
    @abstractmethod
    def channels(cls, encoder: Encoder, width: float) -> int:
        """:attr:`out_channels` of a decoder that is yet to be made."""

    @abstractmethod
    def forward(self, features: Tensor, levels: Sequence[Level]) -> Tensor:
        """Decodes.

        Args:
            features: (N, C_L, H/s, W/s), where s is the stride of the encoder's output.
            levels: the encoder's, of which a decoder reads ``last`` (skip connections) or
                ``indices`` (unpooling).

        Returns:
            (N, out_channels, H, W).
        """
