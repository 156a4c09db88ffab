"""Metrics of a trained run on a part of its data, or of another data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from auxseg import build
from auxseg.config import Config
from auxseg.errors import UsageError
from auxseg.models import MultiTaskModel
from auxseg.tasks import MetricValue, Task
from auxseg.training.run import RunDirectory
from auxseg.types import Batch, ClassNames

SPLITS = ("train", "val", "test")


def load_model(
    run: RunDirectory, config: Config, classes: ClassNames
) -> tuple[MultiTaskModel, dict[str, Task]]:
    """A run's network with its best weights, in evaluation mode, and its tasks."""
    tasks = build.make_tasks(config, classes)
    model = build.make_model(config, tasks)
    model.load_state_dict(run.read_best())
    return model.eval(), tasks


@torch.inference_mode()
def measure(
    model: MultiTaskModel, tasks: Mapping[str, Task], loader: DataLoader[Any], device: torch.device
) -> dict[str, MetricValue]:
    """All metrics of all tasks over a loader: ``TASK/METRIC`` → value."""
    metrics = {name: task.metrics().to(device) for name, task in tasks.items()}
    for batch in loader:
        batch = batch.to(device)
        assert isinstance(batch, Batch)
        for name, prediction in model(batch.image).items():
            metrics[name].update(prediction, batch.targets[name])
    return {
        f"{name}/{key}": value
        for name, metric in metrics.items()
        for key, value in metric.compute().items()
    }


def evaluate(
    run_dir: str | Path, split: str = "test", *, root: str | None = None, accelerator: str = "auto"
) -> dict[str, MetricValue]:
    """Evaluates a run's best weights and writes ``metrics-SPLIT.json`` into the run.

    Args:
        split: train, val or test.
        root: where the data set lies now, if it moved since training.
    """
    if split not in SPLITS:
        raise UsageError(f"--split: {split!r} is unknown; allowed are {', '.join(SPLITS)}")
    run = RunDirectory(run_dir)
    config, classes = run.read_config()
    config = build.moved(config, root)
    model, tasks = load_model(run, config, classes)
    data = build.open_data(config)
    if data.classes != classes:
        raise UsageError(
            f"{config.data.name}: its classes {data.classes} are not those of the run, {classes}"
        )
    device = pick_device(accelerator)
    loader = build.make_eval_loader(config, data, tasks, split)
    metrics = measure(model.to(device), tasks, loader, device)
    run.write_metrics(split, metrics)
    return metrics


def pick_device(accelerator: str) -> torch.device:
    """Lightning's accelerator name → a torch device."""
    if accelerator == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    names = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "mps": "mps"}
    if accelerator not in names:
        raise UsageError(
            f"--accelerator: {accelerator!r} is unknown; allowed are auto, {', '.join(names)}"
        )
    if names[accelerator] == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--accelerator: there is no GPU that torch can use; allowed here are auto, cpu"
        )
    return torch.device(names[accelerator])
