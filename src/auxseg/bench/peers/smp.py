"""segmentation_models.pytorch: its U-Net over the same encoder as ours, where it imports."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from auxseg import assembly
from auxseg.bench.networks import CLASSES
from auxseg.bench.peers.base import Pair
from auxseg.config import Config
from auxseg.errors import UsageError

#: Our encoders by its names; a timm model has the prefix ``tu-`` there.
_ENCODERS = {"vgg16": "vgg16_bn", "efficientnet-lite0": "tu-tf_efficientnet_lite0"}


def smp(place: Path | None, configs: Mapping[str, Config]) -> dict[str, Pair]:
    """A pair for each preset that is a U-Net for segmentation alone."""
    module = _module()
    alike = {
        name: config
        for name, config in configs.items()
        if config.tasks.names == ("segmentation",)
        and config.model.architecture == "hard-sharing"
        and config.model.encoder != "vgg16"
    }
    if not alike:
        raise UsageError(
            "--peer smp: compares U-Nets for segmentation alone; add unet-1task to --presets"
        )
    return {f"U-Net, {config.model.encoder}": _pair(module, config) for config in alike.values()}


def _pair(module: Any, config: Config) -> Pair:
    tasks = assembly.make_tasks(config, CLASSES)
    ours = assembly.make_model(config, tasks)
    encoder = config.model.encoder
    name = _ENCODERS.get(encoder, f"tu-{encoder.removeprefix('timm:')}")
    theirs: nn.Module = module.Unet(name, encoder_weights=None, classes=len(CLASSES.mask))
    return Pair(ours, theirs, config)


def _module() -> Any:
    try:
        return import_module("segmentation_models_pytorch")
    except Exception as error:  # it needs torchvision, which fails in ways of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"--peer smp: segmentation_models_pytorch does not import here ({reason}); pip install "
            "segmentation-models-pytorch"
        ) from None
