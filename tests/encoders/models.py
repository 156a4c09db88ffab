"""The models of timm that are run, one of each kind, and networks over them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auxseg.assembly import connect
from auxseg.config import ModelConfig
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.encoders import Encoder, find_encoder
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

HEADS = {"segmentation": HeadSpec("dense", 2), "classification": HeadSpec("global", 3)}


@dataclass(frozen=True)
class Kind:
    """What a model should turn out to be.

    Attributes:
        staged: whether it runs stage by stage.
        split: whether each level has features after its first block that are not its last.
        made: how many of the levels are learned from scratch, the finest first.
        free: whether it can be exported for images of any size; None for not at all (torch's
            ONNX exporter has no words for hiera's attention).
    """

    staged: bool
    split: tuple[bool, ...]
    made: int
    free: bool | None


WHOLE = (False,) * 5

KINDS = {
    "resnet18": Kind(True, (False, True, True, True, True), 0, True),
    "mobilenetv4_conv_small": Kind(True, (False, True, True, True, True), 0, True),
    "convnextv2_atto": Kind(True, WHOLE, 1, True),
    "swin_tiny_patch4_window7_224": Kind(True, WHOLE, 1, False),
    "pvt_v2_b0": Kind(True, WHOLE, 1, True),
    "vit_small_patch16_dinov3": Kind(False, WHOLE, 5, False),
    "vit_small_patch14_dinov2": Kind(False, WHOLE, 5, True),
    "hiera_tiny_224": Kind(False, WHOLE, 1, None),
}

#: Every architecture over every model that it goes with.
COMBINATIONS = [
    (architecture, name)
    for name, kind in KINDS.items()
    for architecture, cls in ARCHITECTURES.items()
    if not cls.NEEDS_INDICES and (kind.staged or not cls.NEEDS_STAGES)
]


def make(
    name: str, architecture: str = "hard-sharing", *, seed: int = 0, in_channels: int = 3
) -> MultiTaskModel:
    config = ModelConfig(architecture=architecture, encoder=f"timm:{name}")
    model = connect(config, HEADS, in_channels)
    initialise(model, seed)
    return model


def encoder(name: str, *, seed: int = 0, in_channels: int = 3) -> Encoder:
    found = find_encoder(f"timm:{name}")(in_channels, 1.0)
    initialise(found, seed)
    return found


def image(count: int = 2, height: int = 64, width: int = 96, channels: int = 3) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, height, width, generator=draw)
