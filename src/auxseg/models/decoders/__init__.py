"""Decoders. Adding one is a file in this folder and a line in :data:`DECODERS`."""

from __future__ import annotations

from auxseg.models.decoders.base import Decoder
from auxseg.models.decoders.segnet import SegNetDecoder
from auxseg.models.decoders.unet import UNetDecoder

__all__ = ["DECODERS", "Decoder"]

DECODERS: dict[str, type[Decoder]] = {
    "segnet": SegNetDecoder,
    "unet": UNetDecoder,
}
