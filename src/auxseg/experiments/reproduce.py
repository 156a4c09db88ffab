"""Trains and tests many systems and sets them side by side: the paper's Table 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from auxseg import assembly
from auxseg.config import Config
from auxseg.data import Dataset
from auxseg.errors import DataError, UsageError
from auxseg.experiments.launchers import Processes, run_all
from auxseg.models import ENCODERS
from auxseg.report.page import write_report
from auxseg.report.table1 import for_terminal
from auxseg.report.tables import format_value, to_markdown
from auxseg.runs.cost import cost
from auxseg.runs.data import check_bare
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import check_folder
from auxseg.runs.lock import locked
from auxseg.runs.measure import evaluate
from auxseg.training.fit import train
from auxseg.training.pretrain import GENERATED, generated_weights

#: What ``reproduce`` uses on ``shapes`` unless told otherwise: minutes on two cores, no GPU
#: (docs/experiments.md).
DEMONSTRATION: dict[str, Any] = {
    "data.options": {"train": 700},
    "model.width": 0.125,
    "model.weights": GENERATED,
    "training.epochs": 3,
    "training.batch_size": 10,
    "training.lr": 3e-3,
    # Three epochs over 700 drawings are too few to overfit: moving the pictures only slows them.
    "augmentation.scale": (1.0, 1.0),
    "augmentation.rotation": 0.0,
    "augmentation.translation": 0.0,
    "augmentation.hue": 0.0,
}


@dataclass(frozen=True)
class Run:
    """One system with one seed."""

    config: Config
    directory: Path

    @property
    def name(self) -> str:
        return f"{folder_name(self.config)} seed {self.config.training.seed}"


def reproduce(
    configs: Sequence[Config], out: Path, *, seeds: int = 1, jobs: int | None = None
) -> list[str]:
    """Trains every system with every seed, tests it, and writes tables and the report.

    Goes on where an earlier call stopped; tables and report are about the runs of this call.
    Writes ``runs/SYSTEM-seedN/`` and what :func:`auxseg.report.page.write_report` makes of them,
    and prints the table.

    Args:
        configs: one per system; seeds count up from the configuration's.
        jobs: systems trained at a time; None for :func:`auxseg.experiments.launchers.default_jobs`.

    Returns:
        one line per run that failed; the others are in the table.
    """
    if not all(config.training.alone for config in configs):
        raise UsageError(
            "training.devices: each system is trained on one device; --jobs trains several at a "
            "time"
        )
    check_folder(out)
    with locked(out):
        return _reproduce(configs, out, seeds, jobs)


def _reproduce(configs: Sequence[Config], out: Path, seeds: int, jobs: int | None) -> list[str]:
    """As :func:`reproduce`, while nobody else trains into the folder."""
    dataset = assembly.open_dataset(configs[0].data)
    for config in configs:  # a mistake that all share is told before the first hour, not after
        if config.model.weights != GENERATED:
            assembly.check_weights(config)
        elif not ENCODERS[config.model.encoder.partition(":")[0]].SCALES:
            raise UsageError(
                f"--encoder: the demonstration pre-trains built-in encoders, not "
                f"{config.model.encoder}; add --weights none, or --weights imagenet"
            )
        assembly.check(config, dataset.classes)
    # Decoded once, not by every process; unlabelled images, too, if a system wants them.
    data = assembly.open_data(max(configs, key=assembly.expects_others), dataset)
    if not data.split.test and configs[0].data.train_on == "train+val":
        raise DataError(
            f"the test split of {dataset.NAME} has no images; with --train-on train+val nothing "
            "is left to measure on"
        )
    for config in configs:
        check_bare(config, assembly.open_data(config, dataset, opened=data))
    for message in data.messages:
        print(message, file=sys.stderr)
    configs = [_with_weights(config, dataset) for config in configs]
    runs = [
        Run(_with_seed(config, seed), out / "runs" / f"{folder_name(config)}-seed{seed}")
        for seed in range(configs[0].training.seed, configs[0].training.seed + seeds)
        for config in configs
    ]
    # The largest first: no long one is left to run alone in the end.
    flops = {
        folder_name(config): cost(assembly.resolve(config, dataset), dataset.classes).flops
        for config in configs
    }
    runs.sort(key=lambda run: -flops[folder_name(run.config)])
    failures = run_all(run_one, {run.name: run for run in runs}, Processes(jobs))
    done = [run.directory for run in runs if run.name not in failures]
    if done:
        written = write_report(out, done, configs[0].data.root, opened=data)
        print(f"\n{to_markdown(for_terminal(written.rows))}\n\n{written.caption}")
        print(f"\nwritten: {out / 'report.html'}, {written.table}, .csv and .tex")
    return [f"{name}: {message}" for name, message in failures.items()]


def folder_name(config: Config) -> str:
    """The preset, and the balancer where it is not the usual one."""
    balancer = config.training.balancer
    return config.preset if balancer == "fixed" else f"{config.preset}-{balancer}"


def with_equal_weights(config: Config) -> Config:
    """The same system with equal task weights (the paper's Fig. 3a)."""
    tasks = replace(config.tasks, weights={})  # equal weights are no matter of choice
    return replace(config, tasks=tasks, training=replace(config.training, balancer="equal"))


def _with_weights(config: Config, dataset: Dataset) -> Config:
    """Replaces ``--weights generated`` by the file."""
    if not config.model.pretrained or config.model.weights != GENERATED:
        return config
    size = assembly.resolve(config, dataset).data.image_size
    assert size is not None
    model = config.model
    path = generated_weights(model.encoder, model.width, size, config.training.accelerator)
    return replace(config, model=replace(model, weights=str(path)))


def _with_seed(config: Config, seed: int) -> Config:
    return replace(config, training=replace(config.training, seed=seed))


def run_one(run: Run) -> str:
    """Trains (or goes on with) one run and tests it; returns a line about it.

    Where there are no test images it is not tested, and the report shows the validation images.
    """
    directory = RunDirectory(run.directory)
    tested = directory.metrics_file("test").is_file() and directory.finished(
        run.config.training.last_epoch
    )
    result = train(run.config, run.directory, resume=True, quiet=True)
    found = {"val": result.metrics}
    if tested:
        found["test"] = directory.read_metrics("test")
    elif directory.read_counts().get("test") != 0:
        found["test"] = evaluate(
            run.directory,
            "test",
            root=run.config.data.root,
            accelerator=run.config.training.accelerator,
            opened=result.data,
        )
    seconds = sum(float(row["seconds"]) for row in directory.read_history())
    iou = ", ".join(
        f"{part} IoU {format_value(values['segmentation/iou'])}" for part, values in found.items()
    )
    return f"{iou}, {seconds:.0f} s"
