"""Decoders. Adding one is a file in this folder and a line in :data:`DECODERS`."""

from __future__ import annotations

from auxseg.models.decoders.base import Decoder
from auxseg.models.decoders.segnet import SegNetDecoder

__all__ = ["DECODERS", "Decoder"]

DECODERS: dict[str, type[Decoder]] = {
    "segnet": SegNetDecoder,
}
