"""Encoders. Adding one is a file in this folder and a line in :data:`ENCODERS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from auxseg.models.encoders.base import GREY, Encoder, Level, Published
from auxseg.models.encoders.efficientnet_lite import EfficientNetLite0
from auxseg.models.encoders.timm import TimmEncoder
from auxseg.models.encoders.vgg16 import VGG16

__all__ = ["ENCODERS", "ENCODER_CHOICES", "GREY", "Encoder", "Level", "Published", "find_encoder"]

ENCODERS: dict[str, type[Encoder]] = {
    "vgg16": VGG16,
    "efficientnet-lite0": EfficientNetLite0,
    "timm": TimmEncoder,
}

#: What ``model.encoder`` may be. One that ends in ``:NAME`` stands for a name that follows.
ENCODER_CHOICES = tuple(f"{name}:NAME" if cls.NAMED else name for name, cls in ENCODERS.items())


def find_encoder(name: str) -> Callable[[int, float], Encoder]:
    """What makes an encoder, from the image's channels and the width.

    Args:
        name: one of :data:`ENCODER_CHOICES`, such as ``vgg16`` or ``timm:resnet18``.
    """
    kind, _, model = name.partition(":")
    cls: Any = ENCODERS[kind]
    return partial(cls, model) if model else cls
