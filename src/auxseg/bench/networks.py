"""The work of a preset's network: one training step, one batch of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from auxseg import assembly
from auxseg.balancing import Balancer
from auxseg.bench.clock import Work
from auxseg.config import Config, TrainingConfig
from auxseg.models import MultiTaskModel
from auxseg.tasks import Task, asking
from auxseg.training.optimizer import make_optimizer
from auxseg.training.step import Outcome, taught
from auxseg.training.step import training_step as take_training_step
from auxseg.training.teacher import Teacher
from auxseg.types import Batch, ClassNames, LabelledImages

#: What the networks of a benchmark tell apart; costs hardly depend on it.
CLASSES = ClassNames(mask=("background", "pet"), label=("cat", "dog"))

#: As :func:`auxseg.training.optimizer.make_optimizer`.
MakeOptimizer = Callable[[MultiTaskModel, Balancer, TrainingConfig], torch.optim.Optimizer]


def training_step(
    config: Config, device: torch.device, optimizer: MakeOptimizer = make_optimizer
) -> Work:
    """A step as training takes it, from a batch on the device to the updated weights."""
    tasks = assembly.make_tasks(config, CLASSES)
    model = network(config, tasks, device).train()
    step = step_taker(model, config, tasks, optimizer)
    batch = random_batch(config).to(device)

    def run() -> None:
        step(batch)

    model.checkpoint_activations("none")  # what is computed again is no work that was asked for
    flops = count_flops(run)
    model.checkpoint_activations(config.training.checkpointing)
    return Work(run, flops, config.training.batch_size)


def step_taker(
    model: MultiTaskModel,
    config: Config,
    tasks: Mapping[str, Task],
    optimizer: MakeOptimizer = make_optimizer,
) -> Callable[[Batch], Outcome]:
    """The network's training step, without Lightning around it, for batches on its device."""
    device = model.mean.device
    balancer = assembly.make_balancer(config, tasks).to(device)
    updates = optimizer(model, balancer, config.training)
    precision = autocast(config, device)
    decay = config.training.ema
    teacher = None if decay is None else Teacher(model, decay)

    def step(batch: Batch) -> Outcome:
        counts: Mapping[str, float] = batch.labelled
        with precision():
            if batch.asked is not None:
                assert teacher is not None
                answered = taught(batch, tasks, teacher, counts)
                batch, counts = answered.batch, answered.counts
            found = take_training_step(model, tasks, balancer, batch, dropout_seed=0, counts=counts)
        updates.step()
        if teacher is not None:
            teacher.follow(model)
        return found

    return step


def prediction(config: Config, device: torch.device) -> Work:
    """A batch of predictions of all tasks."""
    model = network(config, assembly.make_tasks(config, CLASSES), device).eval()
    batch = random_batch(config).to(device)
    precision = autocast(config, device)

    @torch.inference_mode()
    def run() -> None:
        with precision():
            model.forward_views(batch.views, batch.routes)

    return Work(run, count_flops(run), config.training.batch_size)


def random_batch(config: Config) -> Batch:
    """Noise with every label, prepared for this system's tasks.

    Where one of them asks a teacher, images without a mask come on top, as in training.
    """
    tasks = assembly.make_tasks(config, CLASSES)
    size, masked = config.data.image_size, config.training.batch_size
    assert size is not None
    count = masked + (assembly.others_per_step(config) if asking(tasks) else 0)
    draw = torch.Generator().manual_seed(0)
    bare = LabelledImages.without_labels(torch.rand(count, 3, size, size, generator=draw))
    images = replace(
        bare,
        mask=torch.randint(0, len(CLASSES.mask), (count, size, size), generator=draw).to(
            bare.mask.dtype
        ),
        label=torch.arange(count) % len(CLASSES.label),
        box=torch.tensor([0.2, 0.3, 0.6, 0.7]).repeat(count, 1),
        has_mask=torch.arange(count) < masked,
    )
    views = assembly.make_views(config, tasks)
    return assembly.Prepare(views, augment=None, seed=0, training=True)(images)


def count_flops(run: Callable[[], Any]) -> int:
    """Arithmetic operations of convolutions and products in one run."""
    # Uncompiled: what torch.compile first meets under a counter, it leaves alone ever after.
    with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def network(config: Config, tasks: Mapping[str, Task], device: torch.device) -> MultiTaskModel:
    """A system's network with fresh weights, set up for training."""
    model = assembly.make_model(config, tasks).to(device)
    assembly.set_up(model, config.training)
    return model


def autocast(config: Config, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """What the forward pass runs in."""
    dtype = assembly.dtype_of(config)
    return lambda: torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
