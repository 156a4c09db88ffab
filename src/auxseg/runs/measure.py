"""Metrics of a trained run on a part of its data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from auxseg import assembly
from auxseg.config import Config
from auxseg.data.base import PARTS
from auxseg.devices import pick_device
from auxseg.errors import DataError, UsageError
from auxseg.failures import explained
from auxseg.progress import tracked
from auxseg.runs.averaging import ONCE, Looks
from auxseg.runs.confusion import Confusion, confusion_file, write_confusion
from auxseg.runs.data import is_new, open_new_data, open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.runs.events import writing_events
from auxseg.runs.members import Answer, Member, averaging, check_member, common_tasks
from auxseg.runs.native import confusion_at_native_size, confusion_by_tiles, native_metrics
from auxseg.tasks import MetricValue, Task, completed
from auxseg.tasks.segmentation import Segmentation

#: Labelled images that a run was started without.
NEW = "new"
#: The parts that a run is measured on.
SPLITS = (*PARTS, NEW)


@dataclass(frozen=True)
class Measured:
    """What a network reaches on some images.

    Attributes:
        metrics: ``TASK/METRIC`` → value, over all images.
        scores: image number → ``TASK/METRIC`` → value, for the metrics that single images have; of
            an image in tiles the mean of its tiles.
        confusion: task → which class was taken for which, int64 (K, K), of tasks with classes.
        by_photo: the same of segmentation, of each photo at its own size; empty elsewhere.
    """

    metrics: dict[str, MetricValue]
    scores: dict[int, dict[str, float]]
    confusion: dict[str, np.ndarray]
    by_photo: dict[int, np.ndarray] = field(default_factory=dict)


@torch.inference_mode()
def measure(
    answer: Answer,
    tasks: Mapping[str, Task],
    loaders: Sequence[DataLoader[Any]],
    device: torch.device,
) -> Measured:
    """Everything that is measured of all tasks.

    Args:
        answer: called on the device.
        loaders: of each network, whose batches have the same images; the first one's targets count.
    """
    metrics = {name: task.metrics().to(device) for name, task in tasks.items()}
    found = Measured({}, {}, {})
    scores: dict[int, dict[str, list[float]]] = {}
    for batches in tracked(zip(*loaders, strict=True), "measuring, in batches", len(loaders[0])):
        moved = [batch.to(device) for batch in batches]
        batch, predictions = moved[0], answer(moved)
        # A measured network is its own teacher.
        targets = completed(tasks, batch.targets, predictions[next(iter(tasks))])
        for name, prediction in predictions.items():
            target = targets[name]
            metrics[name].update(prediction, target, batch.view_of(name))
            labelled = (prediction.float()[target.present], target.value[target.present])
            _add_scores(scores, tasks[name], *labelled, batch.index[target.present])
            _add_confusion(found.confusion, tasks[name], *labelled)
    for name, metric in metrics.items():
        for key, value in metric.compute().items():
            found.metrics[f"{name}/{key}"] = value
    for number, of_image in scores.items():
        found.scores[number] = {key: fmean(values) for key, values in of_image.items()}
    return found


def _add_scores(
    scores: dict[int, dict[str, list[float]]],
    task: Task,
    prediction: Tensor,
    value: Tensor,
    index: Tensor,
) -> None:
    """Scores of one batch's labelled images."""
    for metric, values in task.scores(prediction, value).items():
        for number, one in zip(index.tolist(), values.tolist(), strict=True):
            of_image = scores.setdefault(number, {})
            of_image.setdefault(f"{task.NAME}/{metric}", []).append(one)


def _add_confusion(
    confusion: dict[str, np.ndarray], task: Task, prediction: Tensor, value: Tensor
) -> None:
    counts = task.confusion(prediction, value)
    if counts is not None:
        own = counts.cpu().numpy()
        confusion[task.NAME] = confusion.get(task.NAME, np.zeros_like(own)) + own


def default_split(run_dir: str | Path, root: str | None) -> str:
    """The part to measure where none is named: new, where a folder has no image of the run."""
    return NEW if is_new(RunDirectory(run_dir), root) else "test"


def evaluate(run_dir: str | Path, split: str = "test", **options: Any) -> dict[str, MetricValue]:
    """The metrics of :func:`measure_run`, which takes the same options."""
    return measure_run(run_dir, split, **options).metrics


def measure_run(
    run_dir: str | Path,
    split: str = "test",
    *,
    root: str | None = None,
    accelerator: str = "auto",
    num_workers: int | None = None,
    others: Sequence[str | Path] = (),
    looks: Looks = ONCE,
    native: bool = False,
    opened: assembly.Data | None = None,
) -> Measured:
    """Evaluates a run's best weights.

    Writes ``metrics-SPLIT.json``, ``images-SPLIT.csv`` and, of tasks with classes,
    ``confusion-TASK-SPLIT.csv``; TensorBoard gets the same numbers, behind the split's name, at the
    best epoch. Behind SPLIT stands ``-ensemble`` with other runs, ``-tta`` with further looks,
    ``-native`` at the photos' own size.

    Args:
        split: train, val, test, or new: the images that the run was started without, which may
            have fewer classes, or these in another order.
        root: where the data set lies now, if it moved since training; or new labelled images.
        num_workers: loader processes; by default as many as in training.
        others: further runs, whose answers are averaged with this one's.
        looks: at each image.
        native: measure segmentation alone, at the photos' own size and with the masks as they are
            in the files.
        opened: the run's data set, decoded at its size, where it is open already.

    Raises:
        UsageError: unknown part, other classes than the run's, or runs that do not go together.
        DataError: no run, no image in that part, too little memory, or a loader process ended.
    """
    if split not in SPLITS:
        raise UsageError(f"--split: {split!r} is unknown; allowed are {', '.join(SPLITS)}")
    device = pick_device(accelerator)
    members = [Member.open(path, num_workers, device) for path in (run_dir, *others)]
    first = members[0]
    tasks = common_tasks(first.tasks, {str(one.run.path): one.tasks for one in members[1:]})
    new = split == NEW
    data = open_new_data(first.run, root) if new else open_run_data(first.run, root, opened=opened)
    if split == "test":
        _check_tested(first.config, data)
    part = "test" if new else split
    for member in members[1:]:
        check_member(member, first, data, part)
    loaders = [assembly.make_eval_loader(one.config, data, one.tasks, part) for one in members]
    for message in data.messages if new else ():
        print(message, file=sys.stderr)
    with explained(DataError, memory="take another --accelerator"):
        answer = averaging(members, tasks, looks)
        if native:
            found = _measure_native(answer, tasks, members, loaders, device, data, part)
        else:
            found = measure(answer, tasks, loaders, device)
    _write(first, tasks, data, measured_name(split, others, looks, native), found)
    return found


def _measure_native(
    answer: Answer,
    tasks: Mapping[str, Task],
    members: Sequence[Member],
    loaders: Sequence[DataLoader[Any]],
    device: torch.device,
    data: assembly.Data,
    part: str,
) -> Measured:
    task = tasks.get(Segmentation.NAME)
    if not isinstance(task, Segmentation):
        raise UsageError("--native: the run has no segmentation")
    if data.fit.WHOLE:
        counts = confusion_at_native_size(answer, task, loaders, device, data)
    else:
        prepare = [
            assembly.Prepare(
                assembly.make_views(one.config, one.tasks), None, assembly.EVALUATION_SEED
            )
            for one in members
        ]
        numbers = getattr(data.split, part)
        counts = confusion_by_tiles(answer, task, prepare, device, data, numbers)
    metrics, scores = native_metrics(task, counts)
    whole = np.sum(list(counts.values()), axis=0)
    return Measured(metrics, scores, {task.NAME: whole}, by_photo=counts)


def measured_name(split: str, others: Sequence[Any], looks: Looks, native: bool = False) -> str:
    """What stands in the names of the files of an evaluation."""
    kind = "-ensemble" if others else "" if looks == ONCE else "-tta"
    return f"{split}{kind}{'-native' * native}"


def _write(
    first: Member, tasks: Mapping[str, Task], data: assembly.Data, name: str, found: Measured
) -> None:
    run = first.run
    run.write_metrics(name, found.metrics)
    scores = found.scores.items()
    run.write_scores(
        name, [{"image": data.dataset.name(number), **values} for number, values in scores]
    )
    for task, counts in found.confusion.items():
        labels = tasks[task].LABEL == "label"
        names = first.classes.label if labels else first.classes.mask
        write_confusion(confusion_file(run.path, task, name), Confusion(names, counts))
    with writing_events(run.path), SummaryWriter(str(run.path)) as events:
        for key, value in found.metrics.items():
            if isinstance(value, float):
                events.add_scalar(f"{name}/{key}", value, run.best_metrics()[0])


def _check_tested(config: Config, data: assembly.Data) -> None:
    """Says what can be measured instead where there are no test images."""
    if data.split.test:
        return
    instead = "the validation images were trained on, so nothing is left to measure on"
    if config.data.train_on == "train":
        instead = "measure the validation images with --split val"
    raise DataError(f"the test split of {data.dataset.NAME} has no images; {instead}")
