"""What a study trains: which sets of tasks, with how many labels, with which seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from auxseg.config import Config
from auxseg.config.presets import EMA
from auxseg.errors import UsageError
from auxseg.tasks import TASKS

#: How the candidates are combined: each alone, each alone and in pairs, or every subset.
KINDS = ("single", "pairs", "all")
#: Every image that has a label of the target.
ALL_LABELS = "all"


@dataclass(frozen=True)
class Arm:
    """One system of the study.

    Attributes:
        tasks: the target first, but for a task that is trained alone for Δm.
        labels: how many masks are kept (``--labels``); None for all.
    """

    tasks: tuple[str, ...]
    labels: int | None = None

    @property
    def auxiliary(self) -> tuple[str, ...]:
        return self.tasks[1:]

    @property
    def title(self) -> str:
        """Its tasks besides the target."""
        return " + ".join(self.auxiliary) or f"{self.tasks[0]} alone"

    @property
    def folder(self) -> str:
        return "+".join(self.tasks) + (f"-labels{self.labels}" if self.labels else "")


@dataclass(frozen=True)
class Run:
    """One arm with one seed."""

    arm: Arm
    seed: int
    config: Config
    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name


@dataclass(frozen=True)
class Design:
    """A whole study.

    Attributes:
        target: the task that is to get better.
        auxiliary: the candidates.
        kind: one of :data:`KINDS`.
        labels: numbers of masks, None for all.
        seeds: of every system; at least two tell anything.
        average: the target is measured as its mean over this many last epochs.
        alone: whether each auxiliary task is also trained alone, for Δm; one that reads the
            target's output cannot be.
    """

    target: str
    auxiliary: tuple[str, ...]
    kind: str = "single"
    labels: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (0, 1, 2)
    average: int = 1
    alone: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"--design: {self.kind!r} is unknown; allowed are {', '.join(KINDS)}")
        if not self.auxiliary:
            raise UsageError("--auxiliary: name one task at least")
        if self.target in self.auxiliary:
            raise UsageError(f"--auxiliary: {self.target} is the target")
        if len(set(self.auxiliary)) < len(self.auxiliary):
            raise UsageError(f"--auxiliary: {','.join(self.auxiliary)} names a task twice")

    @property
    def sets(self) -> list[tuple[str, ...]]:
        """The sets of auxiliary tasks, the empty one (the baseline) first, small ones before."""
        largest = {"single": 1, "pairs": 2, "all": len(self.auxiliary)}[self.kind]
        return [
            chosen for size in range(largest + 1) for chosen in combinations(self.auxiliary, size)
        ]

    @property
    def comparisons(self) -> int:
        """Systems that are compared with their baseline."""
        return (len(self.sets) - 1) * len(self.labels)

    def arm(self, auxiliary: tuple[str, ...], labels: int | None) -> Arm:
        return Arm((self.target, *auxiliary), labels)

    @property
    def arms(self) -> list[Arm]:
        """All systems: for every number of labels every set, then the tasks alone for Δm."""
        arms = [self.arm(chosen, labels) for labels in self.labels for chosen in self.sets]
        if self.alone:
            own = [task for task in self.auxiliary if not TASKS[task].READS_PRIMARY]
            singles = [self.single(task, labels) for task in own for labels in self.labels]
            arms += dict.fromkeys(singles)
        return arms

    def single(self, task: str, labels: int | None) -> Arm:
        """The system that learns one task alone, to compare it with for Δm.

        ``--labels`` keeps N masks: what is not made from them is the same with any number.
        """
        return Arm((task,), labels if TASKS[task].LABEL == "mask" else None)

    def runs(self, config: Config, out: Path) -> Iterator[Run]:
        """Every arm with every seed, seed by seed: a study that stops early has whole pairs."""
        for seed in self.seeds:
            for arm in self.arms:
                directory = out / "runs" / f"{arm.folder}-seed{seed}"
                yield Run(arm, seed, _configured(config, arm, seed), directory)


def with_tasks(config: Config, tasks: tuple[str, ...]) -> Config:
    """The configuration for these tasks, with the weights and options that concern them."""
    weights = {task: weight for task, weight in config.tasks.weights.items() if task in tasks}
    chosen = {task: options for task, options in config.tasks.options.items() if task in tasks}
    return replace(
        config, tasks=replace(config.tasks, names=tasks, weights=weights, options=chosen)
    )


def with_average(config: Config, tasks: tuple[str, ...]) -> Config:
    """The configuration with an average of the weights, where one of these tasks needs one.

    All systems of a study get it then, so that they differ in their tasks alone.
    """
    if config.training.ema is not None or not any(TASKS[task].ASKS_TEACHER for task in tasks):
        return config
    return replace(config, training=replace(config.training, ema=EMA))


def _configured(config: Config, arm: Arm, seed: int) -> Config:
    """The study's configuration for one arm and seed."""
    return replace(
        with_tasks(config, arm.tasks),
        preset=f"{config.model.architecture}:{'+'.join(arm.tasks)}",
        data=replace(config.data, labels=arm.labels),
        training=replace(config.training, seed=seed),
    )
