"""Configuration → tasks, the views that they are shown, the balancer of their losses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auxseg.assembly.data import Data
from auxseg.balancing import BALANCERS, Balancer
from auxseg.config import Config
from auxseg.config.construct import construct
from auxseg.errors import UsageError
from auxseg.models import MultiTaskModel
from auxseg.tasks import TASKS, Task, Views
from auxseg.types import ClassNames


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


def answering(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks with an output of their own: the others have nothing to say in prediction."""
    return {name: task for name, task in tasks.items() if not task.READS_PRIMARY}


def check_teacher(config: Config, tasks: Mapping[str, Task]) -> None:
    """Raises :class:`UsageError` where tasks ask for what the primary task or no average gives."""
    primary, *others = tasks.values()
    for task in (primary, *others):
        if task.READS_PRIMARY and (task is primary or task.head != primary.head):
            raise UsageError(
                f"tasks.names: {task.NAME} reads segmentation's output, so segmentation must be "
                "the first task"
            )
        if task.ASKS_TEACHER and config.training.ema is None:
            raise UsageError(
                f"tasks.names: {task.NAME} asks a teacher, which is the average of the network's "
                "weights; set --training.ema 0.99"
            )


def show_pixels(tasks: Mapping[str, Task], data: Data) -> None:
    """Tells the tasks that want to know how many pixels each class of the training masks has."""
    wanting = [task for task in tasks.values() if task.counts_pixels]
    if not wanting:
        return
    pixels = class_pixels(data)
    for task in wanting:
        task.see_pixels(pixels)


def class_pixels(data: Data) -> np.ndarray:
    """How many pixels each class of the mask has, over the training masks that may be seen.

    Returns:
        int64 (K,).
    """
    visible, counts = data.reader.visible, data.arrays.counts
    pixels = np.zeros(256, dtype=np.int64)
    for index in data.split.train:
        if visible[index] and counts is not None:
            pixels += counts[index]
        elif visible[index]:
            pixels += np.bincount(data.arrays.masks[index].ravel(), minlength=256)
    return pixels[: len(data.dataset.classes.mask)]


def make_views(config: Config, tasks: Mapping[str, Task]) -> Views:
    """Which input each task reads; raises :class:`UsageError` where one cannot serve all."""
    return Views(tasks, config.tasks.views)


def make_balancer(config: Config, tasks: Mapping[str, Task]) -> Balancer:
    """How the tasks' losses become one update; raises :class:`UsageError` where it cannot."""
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


def check_shared(config: Config, model: MultiTaskModel) -> None:
    """Raises :class:`UsageError` where gradients are to be compared and nothing is shared."""
    by_gradients = BALANCERS[config.training.balancer].BY_GRADIENTS
    if len(config.tasks.names) < 2 or model.shared_parameters():
        return
    for key, wanted in (
        (f"training.balancer: {config.training.balancer}", by_gradients),
        ("training.conflict_every", bool(config.training.conflict_every)),
    ):
        if wanted:
            raise UsageError(
                f"{key} compares the tasks' gradients on trainable parameters that they share, and "
                f"{config.model.architecture}"
                f"{' with a frozen encoder' if config.model.freeze else ''} has none"
            )
