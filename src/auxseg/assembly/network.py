"""Configuration → the network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

import torch

from auxseg.assembly.tasks import (
    answering,
    check_shared,
    check_teacher,
    make_balancer,
    make_tasks,
    make_views,
)
from auxseg.config import Config, ModelConfig, TrainingConfig
from auxseg.errors import UsageError
from auxseg.models import ARCHITECTURES, DECODERS, MultiTaskModel, Parts
from auxseg.models.decoders import Decoder
from auxseg.models.encoders import Encoder, find_encoder
from auxseg.models.heads import make_head
from auxseg.models.initialise import initialise
from auxseg.tasks import Task
from auxseg.types import ClassNames, HeadSpec

#: ``model.decoder``: SegNet's where the encoder has pooling indices, else U-Net's.
AUTO = "auto"

#: Graphs that torch.compile may make of one network.
COMPILED = 64


def make_model(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The network with freshly drawn weights."""
    model = assemble(config, tasks)
    initialise(model, config.training.seed)
    freeze(model, config)
    return model


def freeze(model: MultiTaskModel, config: Config) -> None:
    """Stops, in place, the training of what the configuration holds still."""
    if config.model.freeze:
        model.freeze_encoders()
    if config.model.freeze_norms:
        model.freeze_norms()


def assemble(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The network with whatever weights torch gives it: to count and to measure, not to train."""
    heads = {name: task.head for name, task in answering(tasks).items()}
    model = connect(config.model, heads, make_views(config, tasks).channels)
    if len(heads) < len(tasks):
        model.read_by_several = frozenset(list(heads)[:1])
    return model


def connect(
    config: ModelConfig, outputs: Mapping[str, HeadSpec], in_channels: int = 3
) -> MultiTaskModel:
    """Encoder, decoders and heads, connected as the architecture says.

    Args:
        outputs: output name → what it asks for, the primary one first.
        in_channels: of the image, 3 or 1.

    Raises:
        UsageError: these three do not go together; says what does.
    """
    make_encoder = partial(find_encoder(config.encoder), in_channels, config.width)
    encoder = make_encoder()
    decoder = _decoder(config, encoder)
    make_decoder = partial(decoder, width=config.width)
    dense = decoder.channels(encoder, config.width)
    heads = {
        name: make_head(spec, dense=dense, encoded=encoder.channels[-1], hidden=encoder.hidden)
        for name, spec in outputs.items()
    }
    parts = Parts(make_encoder, make_decoder, _columns(config, list(outputs)))
    return ARCHITECTURES[config.architecture](heads, encoder, parts)


def _decoder(config: ModelConfig, encoder: Encoder) -> type[Decoder]:
    """The decoder's class; raises :class:`UsageError` where the three do not go together."""
    architecture = ARCHITECTURES[config.architecture]
    lacking = _lacking(architecture, encoder)
    if lacking is not None:
        able = [name for name, cls in ARCHITECTURES.items() if _lacking(cls, encoder) is None]
        raise UsageError(
            f"model.architecture: {config.architecture} needs {lacking}; the encoder "
            f"{config.encoder} goes with {', '.join(able)}"
        )
    able = [
        name
        for name, cls in DECODERS.items()
        if (encoder.unpools or not cls.NEEDS_INDICES)
        and (cls.NEEDS_INDICES or not architecture.NEEDS_INDICES)
    ]
    name = able[0] if config.decoder == AUTO else config.decoder
    if name not in able:
        raise UsageError(
            f"model.decoder: {name} does not go with {config.architecture} over the encoder "
            f"{config.encoder}; allowed are {', '.join((AUTO, *able))}"
        )
    return DECODERS[name]


def _lacking(architecture: type[MultiTaskModel], encoder: Encoder) -> str | None:
    """What an architecture needs that an encoder has not, with encoders that have it."""
    if architecture.NEEDS_INDICES and not encoder.unpools:
        return "an encoder that keeps pooling indices, which is vgg16"
    if architecture.NEEDS_STAGES and not encoder.staged:
        return (
            "an encoder that runs stage by stage, such as vgg16, efficientnet-lite0 or "
            "timm:resnet18"
        )
    return None


def _columns(config: ModelConfig, names: list[str]) -> tuple[str, ...]:
    """The order of the columns; raises :class:`UsageError` unless it names every output once."""
    columns = tuple(config.columns or ())
    if not columns:
        return ()
    if config.architecture != "progressive":
        raise UsageError(
            f"model.columns: {config.architecture} has no columns; they are for progressive"
        )
    if sorted(columns) != sorted(names):
        raise UsageError(
            f"model.columns: {', '.join(columns)} must name each of {', '.join(names)} once"
        )
    return columns


def check(config: Config, classes: ClassNames) -> None:
    """Builds everything but the data once, of no weight: raises what is wrong before it costs time.

    Raises:
        UsageError, DataError: options that do not go together, or a task that the data lack.
    """
    tasks = make_tasks(config, classes)
    check_teacher(config, tasks)
    make_balancer(config, tasks)
    with torch.device("meta"):
        model = assemble(config, tasks)
        freeze(model, config)
    check_shared(config, model)


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
