"""Metrics of a trained run on a part of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from auxseg.models import MultiTaskModel
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.runs.network import load_model
from auxseg.tasks import MetricValue, Task, completed
from auxseg.types import Batch, Target

#: The parts that a run is measured on.
SPLITS = PARTS

#: Image number → ``TASK/METRIC`` → value, for the metrics that single images have.
Scores = dict[int, dict[str, float]]


@torch.inference_mode()
def measure(
    model: MultiTaskModel, tasks: Mapping[str, Task], loader: DataLoader[Any], device: torch.device
) -> tuple[dict[str, MetricValue], Scores]:
    """All metrics of all tasks over a loader, ``TASK/METRIC`` → value; and those of each image."""
    metrics = {name: task.metrics().to(device) for name, task in tasks.items()}
    scores: Scores = {}
    for batch in loader:
        batch = batch.to(device)
        assert isinstance(batch, Batch)
        predictions = model.forward_views(batch.views, batch.routes)
        # A measured network is its own teacher.
        targets = completed(tasks, batch.targets, predictions[next(iter(tasks))])
        for name, prediction in predictions.items():
            metrics[name].update(prediction, targets[name], batch.view_of(name))
            _add_scores(scores, tasks[name], prediction.float(), targets[name], batch.index)
    pooled = {
        f"{name}/{key}": value
        for name, metric in metrics.items()
        for key, value in metric.compute().items()
    }
    return pooled, scores


def _add_scores(
    scores: Scores, task: Task, prediction: Tensor, target: Target, index: Tensor
) -> None:
    """Scores of one batch's labelled images."""
    found = task.scores(prediction[target.present], target.value[target.present])
    numbers = index[target.present].tolist()
    for metric, values in found.items():
        for number, value in zip(numbers, values.tolist(), strict=True):
            scores.setdefault(number, {})[f"{task.NAME}/{metric}"] = value


def evaluate(
    run_dir: str | Path,
    split: str = "test",
    *,
    root: str | None = None,
    accelerator: str = "auto",
    num_workers: int | None = None,
    opened: assembly.Data | None = None,
) -> dict[str, MetricValue]:
    """Evaluates a run's best weights; writes ``metrics-SPLIT.json`` and ``images-SPLIT.csv``.

    TensorBoard gets the same numbers, behind the split's name, at the best epoch.

    Args:
        split: train, val or test.
        root: where the data set lies now, if it moved since training.
        num_workers: loader processes; by default as many as in training.
        opened: the run's data set, decoded at its size, where it is open already.

    Raises:
        UsageError: unknown part, or other classes than the run's.
        DataError: no run, no image in that part, too little memory, or a loader process ended.
    """
    if split not in SPLITS:
        raise UsageError(f"--split: {split!r} is unknown; allowed are {', '.join(SPLITS)}")
    run = RunDirectory(run_dir)
    config, classes = run.read_config()
    if num_workers is not None:
        config = replace(config, data=replace(config.data, num_workers=num_workers))
    model, tasks = load_model(run, config, classes)
    data = open_run_data(run, root, opened=opened)
    if split == "test":
        _check_tested(config, data)
    device = pick_device(accelerator)
    loader = assembly.make_eval_loader(config, data, tasks, split)
    with explained(DataError, memory="take another --accelerator"):
        metrics, scores = measure(model.to(device), tasks, loader, device)
    run.write_metrics(split, metrics)
    run.write_scores(
        split,
        [{"image": data.dataset.name(number), **values} for number, values in scores.items()],
    )
    with SummaryWriter(str(run.path)) as events:
        for name, value in metrics.items():
            if isinstance(value, float):
                events.add_scalar(f"{split}/{name}", value, run.best_metrics()[0])
    return metrics


def _check_tested(config: Config, data: assembly.Data) -> None:
    """Says what can be measured instead where there are no test images."""
    if data.split.test:
        return
    instead = "the validation images were trained on, so nothing is left to measure on"
    if config.data.train_on == "train":
        instead = "measure the validation images with --split val"
    raise DataError(f"the test split of {data.dataset.NAME} has no images; {instead}")
