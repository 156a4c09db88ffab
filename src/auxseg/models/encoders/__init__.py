"""Encoders. Adding one is a file in this folder and a line in :data:`ENCODERS`."""

from __future__ import annotations

from collections.abc import Callable

from auxseg.models.encoders.base import GREY, Encoder, Level, Published
from auxseg.models.encoders.efficientnet_lite import EfficientNetLite0
from auxseg.models.encoders.vgg16 import VGG16

__all__ = ["ENCODERS", "GREY", "Encoder", "Level", "Published", "find_encoder"]

ENCODERS: dict[str, type[Encoder]] = {
    "vgg16": VGG16,
    "efficientnet-lite0": EfficientNetLite0,
}


def find_encoder(name: str) -> Callable[[int, float], Encoder]:
    """What makes an encoder, from the image's channels and the width."""
    return ENCODERS[name]
