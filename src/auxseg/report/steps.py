"""Unweighted losses and weights of the tasks, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from auxseg.report.curves import colour, finish, keys, legend, panels, titled
from auxseg.report.systems import System

#: Points of a curve: each is the mean over neighbouring steps.
POINTS = 120


def step_curve(system: System, task: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a task's loss or weight in the first run, in at most POINTS means.

    Weights are shares: divided by the sum of the step's absolute weights, as the sum differs from
    method to method. Steps without a value (a task without a label) are left out.
    """
    found = []
    for row in system.runs[0].read_steps():
        cells = {name: row.get(f"{name}/{kind}") for name in system.config.tasks.names}
        values = {name: float(cell) for name, cell in cells.items() if cell}
        if task in values:
            total = sum(map(abs, values.values())) or 1.0
            scale = total if kind == "weight" else 1.0
            found.append((int(row["step"]), values[task] / scale))
    parts = np.array_split(np.array(found).reshape(-1, 2), min(POINTS, max(len(found), 1)))
    means = np.array([part.mean(axis=0) for part in parts if len(part)]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def step_losses_figure(systems: Sequence[System]) -> Figure:
    """A panel per system: the unweighted training loss of each task (log)."""
    return _figure(systems, "loss", "loss (log)")


def step_weights_figure(systems: Sequence[System]) -> Figure | None:
    """A panel per system whose weights change: each task's share; None where there is none."""
    changing = [system for system in systems if _changes(system)]
    return _figure(changing, "weight", "share of the weights") if changing else None


def _figure(systems: Sequence[System], kind: str, title: str) -> Figure:
    figure, axes = panels(len(systems))
    used = dict.fromkeys(task for system in systems for task in system.config.tasks.names)
    for axis, system in zip(axes, systems, strict=False):
        for task in system.config.tasks.names:
            axis.plot(*step_curve(system, task, kind), color=colour(task), linewidth=1.2)
        if kind == "loss":
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(NullFormatter())
        else:
            axis.set_ylim(min(0.0, axis.get_ylim()[0]), 1.0)
        titled(axis, system.name)
    finish(figure, axes, len(systems), title, x="step")
    legend(figure, keys({task: colour(task) for task in used}))
    return figure


def _changes(system: System) -> bool:
    weights = [step_curve(system, task, "weight")[1] for task in system.config.tasks.names]
    return any(len(values) > 1 and np.ptp(values) > 1e-6 for values in weights)
