"""Trains and tests many systems and sets them side by side: the paper's Table 1."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from auxseg import build
from auxseg.config import Config
from auxseg.errors import AuxsegError, DataError
from auxseg.evaluation.cost import cost
from auxseg.evaluation.measure import evaluate
from auxseg.evaluation.table1 import for_terminal
from auxseg.evaluation.tables import format_value, to_markdown
from auxseg.report.page import write_report
from auxseg.training.fit import train
from auxseg.training.pretrain import GENERATED, generated_weights
from auxseg.training.run import RunDirectory, check_folder

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
        jobs: systems trained at once; by default one per core, at most four, and one beside a GPU.

    Returns:
        one line per run that failed; the others are in the table.
    """
    check_folder(out)
    dataset = build.open_dataset(configs[0].data)
    for config in configs:  # a mistake that all share is told before the first hour, not after
        build.check_weights(config)
        tasks = build.make_tasks(config, dataset.classes)
        build.make_views(config, tasks)
        build.make_balancer(config, tasks)
    # Decoded once, not by every process; unlabelled images, too, if a system wants them.
    data = build.open_data(max(configs, key=build.unlabelled_per_step), dataset)
    if not data.split.test:
        raise DataError(f"the test split of {dataset.NAME} has no images")
    for message in data.messages:
        print(message, file=sys.stderr)
    configs = [_with_weights(config) for config in configs]
    runs = [
        Run(_with_seed(config, seed), out / "runs" / f"{folder_name(config)}-seed{seed}")
        for seed in range(configs[0].training.seed, configs[0].training.seed + seeds)
        for config in configs
    ]
    # The largest first: no long one is left to run alone in the end.
    flops = {
        folder_name(config): cost(build.resolve(config, dataset), dataset.classes).flops
        for config in configs
    }
    runs.sort(key=lambda run: -flops[folder_name(run.config)])
    failures = _run_all(runs, jobs or default_jobs())
    done = [run.directory for run in runs if run.name not in failures]
    if done:
        rows, text = write_report(out, done, configs[0].data.root)
        print(f"\n{to_markdown(for_terminal(rows))}\n\n{text}")
        print(f"\nwritten: {out / 'report.html'}, {out / 'table1.md'}, .csv and .tex")
    return [f"{name}: {message}" for name, message in failures.items()]


def folder_name(config: Config) -> str:
    """The preset, and the balancer where it is not the usual one."""
    balancer = config.training.balancer
    return config.preset if balancer == "fixed" else f"{config.preset}-{balancer}"


def with_equal_weights(config: Config) -> Config:
    """The same system with equal task weights (the paper's Fig. 3a)."""
    return replace(config, training=replace(config.training, balancer="equal"))


def default_jobs() -> int:
    """One per core and at most four (memory); systems beside each other on one GPU gain nothing."""
    return 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1)


def _with_weights(config: Config) -> Config:
    """Replaces ``--weights generated`` by the file."""
    if not config.model.pretrained or config.model.weights != GENERATED:
        return config
    size = build.resolve(config, build.open_dataset(config.data)).data.image_size
    assert size is not None
    path = generated_weights(config.model.width, size, config.training.accelerator)
    return replace(config, model=replace(config.model, weights=str(path)))


def _with_seed(config: Config, seed: int) -> Config:
    return replace(config, training=replace(config.training, seed=seed))


def _run_all(runs: Sequence[Run], jobs: int) -> dict[str, str]:
    """Runs everything, a line per finished run; returns run name → message of those that failed."""
    failures: dict[str, str] = {}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ThreadPoolExecutor(jobs)
    pending = {pool.submit(_in_process, run, threads): run for run in runs}
    try:
        for number, future in enumerate(as_completed(pending), start=1):
            name = pending[future].name
            try:
                line = future.result()
            except Exception as error:  # a fault of one system must not take the others down
                failures[name] = _explained(error)
                line = f"failed: {failures[name]}"
            print(f"[{number}/{len(runs)}] {name}: {line}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing new is started
    return failures


def _explained(error: Exception) -> str:
    """A failure in a line; a fault of the program itself is printed whole."""
    if isinstance(error, AuxsegError):
        return str(error)
    if isinstance(error, BrokenProcessPool):
        return "its process died (out of memory?); fewer --jobs may help"
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}"


def _in_process(run: Run, threads: int) -> str:
    """:func:`run_one` in a process of its own: one that dies takes no other run with it."""
    # A fresh process: torch's threads do not survive a fork.
    with ProcessPoolExecutor(
        1,
        mp_context=get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(threads,),
    ) as pool:
        return pool.submit(run_one, run).result()


def run_one(run: Run) -> str:
    """Trains (or goes on with) one run and tests it; returns a line about it."""
    directory = RunDirectory(run.directory)
    tested = directory.metrics_file("test").is_file() and directory.finished(
        run.config.training.last_epoch
    )
    result = train(run.config, run.directory, resume=True, quiet=True)
    metrics = (
        directory.read_metrics("test")
        if tested
        else evaluate(
            run.directory,
            "test",
            root=run.config.data.root,
            accelerator=run.config.training.accelerator,
        )
    )
    seconds = sum(float(row["seconds"]) for row in directory.read_history())
    iou = ", ".join(
        f"{part} IoU {format_value(values['segmentation/iou'])}"
        for part, values in (("val", result.metrics), ("test", metrics))
    )
    return f"{iou}, {seconds:.0f} s"
