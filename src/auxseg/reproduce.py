"""Trains and tests many systems and sets them side by side: the paper's Table 1."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from auxseg import build
from auxseg.config import Config
from auxseg.errors import AuxsegError, DataError
from auxseg.evaluation.measure import evaluate
from auxseg.evaluation.table1 import SystemResult, for_terminal, table1
from auxseg.evaluation.tables import format_value, to_csv, to_markdown
from auxseg.report.gallery import spread, write_gallery
from auxseg.training.fit import train
from auxseg.training.pretrain import generated_weights
from auxseg.training.run import RunDirectory, check_folder, replacing
from auxseg.types import ClassNames

#: ``--weights`` of ``reproduce`` that pre-trains a small encoder on drawings.
GENERATED = "generated"

#: What ``reproduce`` uses on ``shapes`` unless told otherwise: minutes on two cores, no GPU
#: (docs/experiments.md).
DEMONSTRATION: dict[str, Any] = {
    "model.width": 0.125,
    "model.weights": GENERATED,
    "training.epochs": 3,
    "training.batch_size": 10,
    "training.lr": 3e-3,
    # Three epochs over 1000 drawings are too few to overfit: moving the pictures only slows them.
    "augmentation.scale": (1.0, 1.0),
    "augmentation.rotation": 0.0,
    "augmentation.translation": 0.0,
    "augmentation.hue": 0.0,
}

GALLERY_PHOTOS = 6


@dataclass(frozen=True)
class Run:
    """One system with one seed."""

    config: Config
    directory: Path

    @property
    def preset(self) -> str:
        return self.config.preset

    @property
    def name(self) -> str:
        return f"{self.config.preset} seed {self.config.training.seed}"


def reproduce(
    configs: Sequence[Config], out: Path, *, seeds: int = 1, jobs: int | None = None
) -> list[str]:
    """Trains every system with every seed, tests it, and writes table and pictures.

    Goes on where an earlier call stopped. Writes ``runs/PRESET-seedN/``, ``table1.md``,
    ``table1.csv`` and ``gallery.png``, and prints the table.

    Args:
        configs: one per system, in the table's order; seeds count up from the configuration's.
        jobs: systems trained at once; by default one per core, at most four, and one beside a GPU.

    Returns:
        one line per run that failed; the others are in the table.
    """
    check_folder(out)
    dataset = build.open_dataset(configs[0].data)
    for config in configs:  # a mistake that all share is told before the first hour, not after
        build.check_weights(config)
        build.make_balancer(config, build.make_tasks(config, dataset.classes))
    data = build.open_data(configs[0], dataset)  # decoded once, not by every process
    if not data.split.test:
        raise DataError(f"the test split of {dataset.NAME} has no images")
    origins = {config.preset: weights_origin(config) for config in configs}
    configs = [_with_weights(config) for config in configs]
    runs = [
        Run(_with_seed(config, seed), out / "runs" / f"{config.preset}-seed{seed}")
        for seed in range(configs[0].training.seed, configs[0].training.seed + seeds)
        for config in configs
    ]
    # The largest first: no long one is left to run alone in the end.
    sizes = {c.preset: count_parameters(c, dataset.classes) for c in configs}
    runs.sort(key=lambda run: -sizes[run.preset])
    failures = _run_all(runs, jobs or default_jobs())
    done = {
        preset: [run.directory for run in runs if run.name not in failures and run.preset == preset]
        for preset in origins
    }
    done = {preset: directories for preset, directories in done.items() if directories}
    if done:
        rows = table1(
            [_collect(preset, origins[preset], sizes[preset], done[preset]) for preset in done]
        )
        _write_table(out, rows, caption(configs[0], data, seeds))
        photos = spread(data.split.test, GALLERY_PHOTOS)
        firsts = {preset: directories[0] for preset, directories in done.items()}
        write_gallery(out / "gallery.png", dataset, photos, firsts)
        print(f"\nwritten: {out / 'table1.md'}, {out / 'table1.csv'}, {out / 'gallery.png'}")
    return [f"{name}: {message}" for name, message in failures.items()]


def caption(config: Config, data: build.Data, seeds: int) -> str:
    """What must be known to read the table."""
    training, first = config.training, config.training.seed
    side = data.arrays.images.shape[1]
    chosen = f"seed {first}"
    if seeds > 1:
        chosen = f"seeds {first} to {first + seeds - 1}, mean ± standard deviation"
    return (
        f"Ours: {config.data.name}, {len(data.split.train)} training and {len(data.split.test)} "
        f"test images at {side}×{side}, width {config.model.width:g}, {training.epochs} epochs, "
        f"batch {training.batch_size}, best epoch by validation IoU, {chosen}. In brackets, or in "
        "rows marked (paper): Pushilal et al., Oxford-IIIT Pet, 738 dogs-only test images at full "
        "width, 30 epochs, one run. Another data set and size: compare systems, not figures."
    )


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
    # Fresh processes: torch's threads do not survive a fork.
    with ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(threads,),
    ) as pool:
        pending = {pool.submit(run_one, run): run for run in runs}
        for number, (run, future) in enumerate(_finished(pending), start=1):
            try:
                line = future.result()
            except AuxsegError as error:
                failures[run.name] = str(error)
                line = f"failed: {error}"
            except BrokenProcessPool:
                failures[run.name] = "its process died (out of memory?); fewer --jobs may help"
                line = f"failed: {failures[run.name]}"
            except Exception as error:  # a fault of one system must not take the others down
                traceback.print_exception(error)
                failures[run.name] = f"{type(error).__name__}: {error}"
                line = f"failed: {failures[run.name]}"
            print(f"[{number}/{len(runs)}] {run.name}: {line}", flush=True)
    return failures


def _finished(pending: dict[Future[str], Run]) -> Iterator[tuple[Run, Future[str]]]:
    for future in as_completed(pending):
        yield pending[future], future


def run_one(run: Run) -> str:
    """Trains (or goes on with) one run and tests it; returns a line about it."""
    directory = RunDirectory(run.directory)
    tested = directory.metrics_file("test").is_file() and directory.finished(
        run.config.training.epochs
    )
    result = train(run.config, run.directory, resume=True, quiet=True)
    metrics = (
        directory.read_metrics("test")
        if tested
        else evaluate(run.directory, "test", accelerator=run.config.training.accelerator)
    )
    seconds = sum(float(row["seconds"]) for row in directory.read_history())
    iou = ", ".join(
        f"{part} IoU {format_value(values['segmentation/iou'])}"
        for part, values in (("val", result.metrics), ("test", metrics))
    )
    return f"{iou}, {seconds:.0f} s"


def _collect(
    preset: str, origin: str, parameters: int, directories: Sequence[Path]
) -> SystemResult:
    runs = [RunDirectory(directory) for directory in directories]
    seconds = [float(row["seconds"]) for run in runs for row in run.read_history()]
    return SystemResult(
        preset=preset,
        metrics=[run.read_metrics("test") for run in runs],
        weights=origin,
        parameters=parameters,
        seconds=mean(seconds),
    )


def weights_origin(config: Config) -> str:
    """Where the encoder's starting weights come from, in a word."""
    weights = config.model.weights if config.model.pretrained else "none"
    names = {"none": "–", "imagenet": "ImageNet", GENERATED: "drawings"}
    return names.get(weights) or Path(weights).stem


def count_parameters(config: Config, classes: ClassNames) -> int:
    model = build.make_model(config, build.make_tasks(config, classes))
    return sum(parameter.numel() for parameter in model.parameters())


def _write_table(out: Path, rows: list[list[str]], text: str) -> None:
    """Writes the table as Markdown and CSV, and prints it."""
    contents = {"table1.md": f"{to_markdown(rows)}\n\n{text}\n", "table1.csv": to_csv(rows)}
    for name, content in contents.items():
        with replacing(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    print(f"\n{to_markdown(for_terminal(rows))}\n\n{text}")
