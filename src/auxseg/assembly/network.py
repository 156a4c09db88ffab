"""Configuration → tasks, views, network with its starting weights, balancer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from auxseg.assembly.data import Data
from auxseg.balancing import BALANCERS, Balancer
from auxseg.config import Config, TrainingConfig
from auxseg.config.construct import construct
from auxseg.data.cache import cache_root
from auxseg.data.download import download
from auxseg.data.loaders import Key
from auxseg.errors import DataError, UsageError
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.encoders.vgg16_weights import calibrate, load_encoder
from auxseg.models.heads import make_head
from auxseg.models.initialise import initialise
from auxseg.tasks import TASKS, Task, Views
from auxseg.types import ClassNames

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"

#: Graphs that torch.compile may make of one network.
COMPILED = 64

#: Training images on which fresh batch norms are calibrated to loaded weights.
CALIBRATION_IMAGES = 32
CALIBRATION_BATCH = 8


def make_tasks(config: Config, classes: ClassNames) -> dict[str, Task]:
    """The tasks of the configuration, in its order; the first is the primary one."""
    for name in (*config.tasks.weights, *config.tasks.options):
        if name not in config.tasks.names:
            raise UsageError(
                f"tasks: {name!r} is not among this run's tasks {', '.join(config.tasks.names)}"
            )
    return {
        name: construct(
            TASKS[name],
            f"tasks.options.{name}",
            config.tasks.options.get(name, {}),
            classes=classes,
        )
        for name in config.tasks.names
    }


def make_views(config: Config, tasks: Mapping[str, Task]) -> Views:
    """Which input each task reads; raises :class:`UsageError` where one cannot serve all."""
    return Views(tasks, config.tasks.views)


def make_model(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The network with freshly drawn weights."""
    model = assemble(config, tasks)
    initialise(model, config.training.seed)
    return model


def assemble(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The network with whatever weights torch gives it: to count and to measure, not to train."""
    width = config.model.width
    heads = {name: make_head(task.head, width) for name, task in tasks.items()}
    channels = make_views(config, tasks).channels
    return ARCHITECTURES[config.model.architecture](heads, width, channels)


def set_up(model: MultiTaskModel, config: TrainingConfig) -> None:
    """How the network computes in training, in place: what it keeps, its layout, compiled or not.

    Results are the same up to rounding.
    """
    model.checkpoint_activations(config.checkpointing)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.compile:
        # A graph for every view, in training and in evaluation, with one and with several images:
        # over the limit torch would go on uncompiled.
        torch._dynamo.config.recompile_limit = max(COMPILED, torch._dynamo.config.recompile_limit)
        model.compile()
        # Torch warns of operations in place under selective checkpointing. They change no output
        # of a convolution, and nothing else is kept.
        logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)


def dtype_of(config: Config) -> torch.dtype:
    """The precision of convolutions and products."""
    return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(
        config.training.precision, torch.float32
    )


def make_balancer(config: Config, tasks: Mapping[str, Task]) -> Balancer:
    weights = {name: config.tasks.weights.get(name, task.WEIGHT) for name, task in tasks.items()}
    name = config.training.balancer
    if config.tasks.weights and not BALANCERS[name].USES_WEIGHTS:
        able = ", ".join(other for other, cls in BALANCERS.items() if cls.USES_WEIGHTS)
        raise UsageError(
            f"tasks.weights: the balancer {name} finds its own; weights are for the balancer {able}"
        )
    if BALANCERS[name].BY_GRADIENTS and config.training.precision.startswith("16"):
        raise UsageError(
            f"training.precision: {config.training.precision} scales losses, which the gradient "
            f"method {name} cannot undo; use bf16-mixed or 32-true"
        )
    if config.training.checkpointing == "selective" and (
        BALANCERS[name].BY_GRADIENTS or config.training.conflict_every
    ):
        raise UsageError(
            "training.checkpointing: selective allows one backward pass a step, not one for every "
            "task's gradient (balancer, conflict_every); use full or none"
        )
    if config.training.conflict_every and config.training.precision.startswith("16"):
        raise UsageError(
            f"training.conflict_every: gradients cannot be compared under "
            f"{config.training.precision}, where small ones vanish; use 0, or bf16-mixed"
        )
    return construct(
        BALANCERS[name],
        "training.balancer_options",
        config.training.balancer_options,
        weights=weights,
        regression={name for name, task in tasks.items() if task.REGRESSION},
    )


def check_weights(config: Config) -> None:
    """Raises :class:`UsageError` for ImageNet weights at another width than 1."""
    if _wants_imagenet(config) and config.model.width != 1.0:
        raise UsageError(
            f"model.width: ImageNet weights fit width 1 only, not {config.model.width:g}; "
            "use --weights none, or a file of weights of this width"
        )


def starting_weights(config: Config) -> Path | None:
    """The file of the encoder's starting weights, downloaded if need be; None to start afresh."""
    check_weights(config)
    if not config.model.pretrained or config.model.weights == "none":
        return None
    if not _wants_imagenet(config):
        return Path(config.model.weights).expanduser()
    path = cache_root() / "weights" / Path(VGG16_URL).name
    try:
        return download(VGG16_URL, path, known_hash=f"sha256:{VGG16_SHA256}")
    except DataError as error:
        raise DataError(f"{error}; --weights takes a file of your own, or none") from None


def _wants_imagenet(config: Config) -> bool:
    return config.model.pretrained and config.model.weights == "imagenet"


def load_starting_weights(
    model: MultiTaskModel, config: Config, data: Data, tasks: Mapping[str, Task]
) -> None:
    """Loads the encoder's weights; of plain ones the batch norms are calibrated on images."""
    path = starting_weights(config)
    if path is None:
        return
    for encoder in model.encoders:
        variant = load_encoder(encoder, path, config.model.grey)
    if variant == "bn" or not config.model.calibrate:
        return
    # Spread over the whole training set, which may be sorted by class.
    positions = np.linspace(0, len(data.split.train) - 1, CALIBRATION_IMAGES).astype(int)
    numbers = [data.split.train[position] for position in np.unique(positions)]
    views = make_views(config, tasks)
    primary = next(iter(views.routes))
    batches = []
    for start in range(0, len(numbers), CALIBRATION_BATCH):
        keys = [Key(0, index) for index in numbers[start : start + CALIBRATION_BATCH]]
        images = data.reader.__getitems__(keys)
        batches.append(model.prepare(views(images, config.training.seed)[primary]))
    for encoder in model.encoders:
        calibrate(encoder, batches)
