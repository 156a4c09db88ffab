"""One training step: from networks, batch, tasks and balancer to losses and gradients.

Nothing else computes a loss. The Lightning module, ``auxseg bench``, the dry run of memory and the
golden curves all call :func:`training_step`; what surrounds it (optimiser, schedule, clipping,
records) is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from auxseg.balancing import Balancer, Step
from auxseg.balancing.gradients import cosines, task_gradients
from auxseg.models import MultiTaskModel
from auxseg.models.norms import keeping_statistics
from auxseg.tasks import Task, asking, completed, masked_mean
from auxseg.types import Batch

#: Predictions of these are too coarse for a loss.
HALF = (torch.float16, torch.bfloat16)


#: A teacher: images (N, C, H, W) in [0, 1] → its primary output for them.
Ask = Callable[[Tensor], Tensor]


def alone(tensor: Tensor) -> Tensor:
    """A tensor's mean over all processes, where there is one."""
    return tensor


@dataclass(frozen=True)
class Taught:
    """A batch with the teacher's answers in its targets.

    Attributes:
        counts: task name → its labelled images, as a mean over the processes; 0 for a task whose
            teacher was sure of no pixel on any process, which makes a batch without its label.
        lessons: task name → what it was taught, see :meth:`auxseg.tasks.Task.teaching`.
    """

    batch: Batch
    counts: dict[str, float]
    lessons: dict[str, Tensor]


@torch.no_grad()
def taught(
    batch: Batch,
    tasks: Mapping[str, Task],
    teacher: Ask,
    counts: Mapping[str, float],
    average: Callable[[Tensor], Tensor] = alone,
) -> Taught:
    """Asks the teacher what the tasks want to know of this batch.

    Args:
        counts: as in :class:`Taught`, before anything was asked.
        average: a tensor's mean over all processes.
    """
    assert batch.asked is not None
    targets = completed(tasks, batch.targets, teacher(batch.asked))
    lessons = {name: tasks[name].teaching(targets[name]) for name in asking(tasks)}
    sure = torch.stack([pixels[:-1].sum() for pixels in lessons.values()]).float()
    believed = dict(zip(lessons, average(sure).tolist(), strict=True))
    return Taught(
        replace(batch, targets=targets, asked=None),
        {name: count if believed.get(name, 1.0) else 0.0 for name, count in counts.items()},
        lessons,
    )


@dataclass(frozen=True)
class Losses:
    """What a batch costs.

    Attributes:
        samples: task name → the loss of each image, (N,), without a graph; arbitrary where the
            image has no label.
        means: task name → the mean over the labelled images, with its graph, of the tasks that
            have any.
    """

    samples: dict[str, Tensor]
    means: dict[str, Tensor]


@dataclass(frozen=True)
class Outcome:
    """What a step found, all of it without a graph.

    Attributes:
        samples: see :class:`Losses`.
        values: task name → its mean loss over all processes; empty for a batch without one label,
            which leaves no gradients.
        weights: task name → the factor that its loss or gradient had; see
            :meth:`auxseg.balancing.Balancer.backward`.
        cosines: ``A/B`` → the cosine between these tasks' gradients, where it was asked for.
    """

    samples: dict[str, Tensor]
    values: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    cosines: dict[str, Tensor] = field(default_factory=dict)


def training_step(
    model: MultiTaskModel,
    tasks: Mapping[str, Task],
    balancer: Balancer,
    batch: Batch,
    *,
    dropout_seed: int,
    balancer_seed: int = 0,
    counts: Mapping[str, float] | None = None,
    progress: float = 1.0,
    measure_cosines: bool = False,
    watch: Callable[[Mapping[str, Tensor]], None] | None = None,
    backward: Callable[[Tensor], None] = Tensor.backward,
    average: Callable[[Tensor], Tensor] = alone,
) -> Outcome:
    """Views → predictions → losses → balancer → gradients.

    Fills ``.grad`` of every parameter that a loss reaches, and clears all others. The forward pass
    runs under whatever autocast the caller has set; gradients, and what is made of them, are never
    rounded.

    Args:
        batch: with the teacher's answers, where it asks for any (:func:`taught`).
        dropout_seed: of the forward pass.
        balancer_seed: of what a balancer draws; the same on all processes.
        counts: task name → its labelled images, as a mean over the processes; by default those of
            this batch.
        progress: the share of the steps taken, for losses that gain their weight by and by.
        measure_cosines: also compare the tasks' gradients, which costs a backward pass per task.
        watch: called with the losses before anything is made of them.
        backward: differentiates a scalar, over all processes.
        average: a tensor's mean over all processes.
    """
    found = batch_losses(
        model, tasks, batch, dropout_seed=dropout_seed, counts=counts, progress=progress
    )
    model.zero_grad()
    balancer.zero_grad()
    if not found.means:
        return Outcome(found.samples)
    values = over_processes(found.means, average)
    if watch is not None:
        watch(values)
    by_gradients = balancer.BY_GRADIENTS or measure_cosines
    step = Step(
        losses=found.means,
        values=values,
        # Whose is what takes milliseconds to list, and nobody else asks.
        shared=model.shared_parameters() if by_gradients else (),
        specific=model.specific_parameters() if by_gradients else (),
        backward=backward,
        average=average,
    )
    compared: dict[str, Tensor] = {}
    with torch.autocast(next(iter(values.values())).device.type, enabled=False):
        if measure_cosines and len(found.means) > 1:
            compared = cosines(task_gradients(step)[0], list(found.means))
        torch.manual_seed(balancer_seed)
        weights = balancer.backward(step)
    return Outcome(found.samples, values, weights, compared)


def batch_losses(
    model: MultiTaskModel,
    tasks: Mapping[str, Task],
    batch: Batch,
    *,
    dropout_seed: int,
    counts: Mapping[str, float] | None = None,
    progress: float = 1.0,
) -> Losses:
    """Forward pass and losses of a training batch, whose targets are complete."""
    torch.manual_seed(dropout_seed)
    predictions = model.forward_views(batch.views, batch.routes)
    found = task_losses(predictions, tasks, batch, counts)
    means = {name: tasks[name].weight_at(progress) * mean for name, mean in found.means.items()}
    return Losses(found.samples, means)


def task_losses(
    predictions: Mapping[str, Tensor],
    tasks: Mapping[str, Task],
    batch: Batch,
    counts: Mapping[str, float] | None = None,
) -> Losses:
    """The loss of every task over its labelled images; a task without any has no mean.

    Over several processes the mean is that of all their labelled images together: a mean of means
    would weigh an image more where it has fewer labelled neighbours.
    """
    counts = batch.labelled if counts is None else counts
    samples, means = {}, {}
    for name, target in batch.targets.items():
        prediction = predictions[name]
        if prediction.dtype in HALF:
            prediction = prediction.float()
        each = tasks[name].loss(prediction, target.value)
        samples[name] = each.detach()
        if counts[name]:
            means[name] = masked_mean(each, target.present, counts[name])
    return Losses(samples, means)


@torch.no_grad()
def losses_after(
    model: MultiTaskModel,
    tasks: Mapping[str, Task],
    batch: Batch,
    *,
    dropout_seed: int,
    counts: Mapping[str, float] | None = None,
    progress: float = 1.0,
    average: Callable[[Tensor], Tensor] = alone,
) -> dict[str, Tensor]:
    """The same batch's losses after the update, with the same dropout; no statistics are kept.

    Args:
        batch: as for :func:`training_step`.
    """
    with keeping_statistics(model.modules()):
        found = batch_losses(
            model, tasks, batch, dropout_seed=dropout_seed, counts=counts, progress=progress
        )
    return over_processes(found.means, average)


def over_processes(
    losses: Mapping[str, Tensor], average: Callable[[Tensor], Tensor] = alone
) -> dict[str, Tensor]:
    """The losses of all processes together, without a graph."""
    stacked = torch.stack([loss.detach() for loss in losses.values()])
    return dict(zip(losses, average(stacked).unbind(), strict=True))
