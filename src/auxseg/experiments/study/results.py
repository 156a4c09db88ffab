"""Reads a study's finished runs: effects, conflicts, Δm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from auxseg.errors import DataError
from auxseg.experiments.study.design import Arm, Design, Run
from auxseg.experiments.study.statistics import Effect, Measured, effect
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import ImageCounts
from auxseg.tasks import TASKS, Task


@dataclass(frozen=True)
class Row:
    """A system against the baseline with the same number of labels.

    Attributes:
        values: seed → the target's validation metric, mean over the last epochs.
        against: its effect; None for the baseline itself.
        conflict: auxiliary task → cosines between its gradient and the target's on the shared
            parameters, by epoch (mean over seeds and measured steps); an epoch in which one of the
            two had no label is left out.
        opposed: auxiliary task → share of the measured steps in which that cosine is negative.
        delta_m: mean over all its tasks of the relative gain over training each alone, in percent,
            per seed; empty where not every task was trained alone.
    """

    arm: Arm
    values: dict[int, float]
    against: Effect | None = None
    conflict: dict[str, dict[int, float]] = field(default_factory=dict)
    opposed: dict[str, float] = field(default_factory=dict)
    delta_m: tuple[float, ...] = ()


@dataclass(frozen=True)
class Results:
    """Everything a study found so far.

    Attributes:
        rows: per number of labels the baseline, then the systems, best first.
        effects: number of labels → task → its mean effect over all sets it was added to; empty
            where every candidate was added to nothing but the target.
        unfinished: names of runs that are missing.
    """

    design: Design
    task: Task
    metric: str
    rows: dict[int | None, list[Row]]
    effects: dict[int | None, dict[str, Effect]]
    unfinished: list[str]

    @property
    def complete(self) -> bool:
        """Whether every system was compared with every seed (runs for Δm alone do not matter)."""
        return len(self.rows) == len(self.design.labels) and all(
            len(rows[0].values) == len(self.design.seeds) for rows in self.rows.values()
        )

    def row(self, arm: Arm) -> Row | None:
        return next((row for row in self.rows.get(arm.labels, []) if row.arm == arm), None)

    def task_effect(self, task: str, labels: int | None) -> Effect | None:
        """What the verdict on a task rests on."""
        if self.effects:
            return self.effects.get(labels, {}).get(task)
        row = self.row(self.design.arm((task,), labels))
        return row.against if row else None


def collect(design: Design, runs: Sequence[Run], target: Task) -> Results:
    """Results of the runs that are finished.

    Seeds that not every system of a number of labels has finished are left out there: all are
    compared on the same seeds.
    """
    metric, info = next(iter(target.METRICS.items()))
    sign = 1.0 if info.higher_is_better else -1.0
    directories = {(run.arm, run.seed): RunDirectory(run.directory) for run in runs}
    done = {
        (run.arm, run.seed): directories[run.arm, run.seed]
        for run in runs
        if directories[run.arm, run.seed].finished(run.config.training.last_epoch)
    }
    rows: dict[int | None, list[Row]] = {}
    effects: dict[int | None, dict[str, Effect]] = {}
    for labels in design.labels:
        arms = [design.arm(chosen, labels) for chosen in design.sets]
        seeds = [seed for seed in design.seeds if all((arm, seed) in done for arm in arms)]
        if not seeds:
            continue
        _check_same_images([done[arm, seed] for arm in arms for seed in seeds])
        measured = {
            arm: _measured([done[arm, seed] for seed in seeds], design.average) for arm in arms
        }
        baseline = arms[0]
        found = []
        for arm in arms:
            own = {seed: done[arm, seed] for seed in seeds}
            against = (
                effect(
                    target.pool,
                    [measured[arm]],
                    [measured[baseline]],
                    sign=sign,
                    comparisons=design.comparisons,
                )
                if arm != baseline
                else None
            )
            values = measured[arm].metric(target.pool)
            cosines, opposed = _conflict(list(own.values()), arm)
            found.append(
                Row(
                    arm,
                    dict(zip(seeds, map(float, values), strict=True)),
                    against,
                    cosines,
                    opposed,
                    _delta_m(design, arm, own, done),
                )
            )
        found.sort(key=lambda row: -row.against.difference if row.against else -math.inf)
        rows[labels] = found
        if design.kind != "single":
            effects[labels] = _task_effects(design, labels, measured, target, sign)
    unfinished = [run.name for run in runs if (run.arm, run.seed) not in done]
    return Results(design, target, f"{target.NAME}/{metric}", rows, effects, unfinished)


def _measured(runs: Sequence[RunDirectory], average: int) -> Measured:
    """The last epochs of runs that differ in their seed."""
    counts = []
    for run in runs:
        validation = _validation(run)
        if len(validation.epochs) < average:
            raise DataError(
                f"{run.validation_file}: knows {len(validation.epochs)} of the last {average} "
                "epochs; train this run again"
            )
        counts.append(validation.counts[-average:])
    return Measured(np.stack(counts))


def _check_same_images(runs: Sequence[RunDirectory]) -> None:
    """Raises :class:`DataError` where runs were not trained and validated on the same images."""
    images, kept = _validation(runs[0]).images, runs[0].read_split()
    for run in runs[1:]:
        same, its = np.array_equal(_validation(run).images, images), run.read_split()
        # Runs of before splits were kept have none: their validation images have to do.
        if not same or (kept is not None and its is not None and its.parts != kept.parts):
            raise DataError(
                f"{run.path}: was trained or validated on other images than {runs[0].path}; the "
                "data changed between them: start the study again with another --out"
            )


def _validation(run: RunDirectory) -> ImageCounts:
    found = run.read_validation()
    if found is None:
        raise DataError(f"{run.path}: has no {run.validation_file.name}; train it anew")
    return found


def _task_effects(
    design: Design,
    labels: int | None,
    measured: Mapping[Arm, Measured],
    target: Task,
    sign: float,
) -> dict[str, Effect]:
    """Each task's mean effect over all pairs of systems that differ in this task alone."""
    effects = {}
    for task in design.auxiliary:
        pairs = [
            (design.arm(_added(design, chosen, task), labels), design.arm(chosen, labels))
            for chosen in design.sets
            if task not in chosen and _added(design, chosen, task) in design.sets
        ]
        effects[task] = effect(
            target.pool,
            [measured[arm] for arm, _ in pairs],
            [measured[arm] for _, arm in pairs],
            sign=sign,
            comparisons=len(design.auxiliary) * len(design.labels),
        )
    return effects


def _added(design: Design, chosen: tuple[str, ...], task: str) -> tuple[str, ...]:
    """A set with one task more, in the design's order."""
    return tuple(name for name in design.auxiliary if name in (*chosen, task))


def _conflict(
    runs: Sequence[RunDirectory], arm: Arm
) -> tuple[dict[str, dict[int, float]], dict[str, float]]:
    """Cosines with the target's gradient: means per epoch, and how often they are negative."""
    means: dict[str, dict[int, float]] = {}
    opposed: dict[str, float] = {}
    for task in arm.auxiliary:
        column = f"{arm.tasks[0]}/{task}/cosine"
        found = [
            (int(row["epoch"]), float(row[column]))
            for run in runs
            for row in run.read_steps()
            if row.get(column) and math.isfinite(float(row[column]))
        ]
        if not found:
            continue
        epochs = sorted({epoch for epoch, _ in found})
        means[task] = {
            epoch: float(np.mean([cosine for number, cosine in found if number == epoch]))
            for epoch in epochs
        }
        opposed[task] = float(np.mean([cosine < 0 for _, cosine in found]))
    return means, opposed


def _delta_m(
    design: Design,
    arm: Arm,
    own: Mapping[int, RunDirectory],
    done: Mapping[tuple[Arm, int], RunDirectory],
) -> tuple[float, ...]:
    """Δm of each seed, in percent (Maninis et al. 2019, eq. 4).

    The mean over the tasks of the relative gain of the task's main metric over a network that was
    trained on this task alone, with the sign that makes more better.
    """
    gains = []
    for seed, run in own.items():
        parts = []
        for task in arm.tasks:
            other = done.get((design.single(task, arm.labels), seed))
            if other is None:
                return ()
            part = _relative_gain(task, run, other, design.average)
            if part is None:
                return ()
            parts.append(part)
        gains.append(100 * float(np.mean(parts)))
    return tuple(gains) if arm.auxiliary else ()


def _relative_gain(
    task: str, run: RunDirectory, single: RunDirectory, average: int
) -> float | None:
    metric, info = next(iter(TASKS[task].METRICS.items()))
    column = f"val/{task}/{metric}"
    values = []
    for one in (run, single):
        cells = [row.get(column) for row in one.read_history()[-average:]]
        if not all(cells):
            return None
        values.append(float(np.mean([float(cell) for cell in cells if cell])))
    if values[1] == 0:
        return None
    sign = 1.0 if info.higher_is_better else -1.0
    return sign * (values[0] - values[1]) / abs(values[1])
