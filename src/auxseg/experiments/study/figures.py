"""A study's plots: effects with intervals, curves over labels and epochs, conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from auxseg.config import TrainingConfig
from auxseg.experiments.study.design import Arm
from auxseg.experiments.study.results import Results, Row
from auxseg.experiments.study.statistics import HELPS, HURTS
from auxseg.experiments.study.tables import labels_name
from auxseg.report.curves import GREY, colour
from auxseg.report.progress import reached, unit
from auxseg.tasks import TASKS

#: Of verdicts; told apart by colour-blind readers, too.
_VERDICTS = {HELPS: "#009E73", HURTS: "#D55E00"}
_OPEN = "#555555"
#: Inches.
_PANEL_WIDTH = 3.6


def effects_figure(results: Results) -> Figure:
    """A panel per number of labels, a line per system: difference and interval."""
    most = max(len(rows) for rows in results.rows.values()) - 1
    figure, axes = _row(results, 0.28 * most + 1.0)
    for axis, (labels, rows) in zip(axes, results.rows.items(), strict=True):
        axis.axvline(0, color="#000", linewidth=0.8)
        systems = [row for row in rows if row.against is not None]
        for place, row in enumerate(reversed(systems)):
            assert row.against is not None
            colour = _VERDICTS.get(row.against.verdict, _OPEN)
            half = row.against.half_width
            if np.isfinite(half):
                axis.plot(
                    [row.against.difference - half, row.against.difference + half],
                    [place, place],
                    color=colour,
                    linewidth=2,
                )
            axis.plot(row.against.difference, place, "o", color=colour, markersize=5)
        axis.set_yticks(
            range(len(systems)), [row.arm.title for row in reversed(systems)], fontsize=7
        )
        axis.set_title(f"labels: {labels_name(labels)}", fontsize=8, loc="left")
        axis.set_ylim(-0.7, len(systems) - 0.3)
    _shared_limits(axes)
    figure.supxlabel(f"difference in {results.metric} (right of 0: better)", fontsize=8)
    return figure


def labels_figure(results: Results, counts: Mapping[int | None, int]) -> Figure | None:
    """The target's metric against the number of labelled images; None for a single number.

    Args:
        counts: how many images keep their label for each of the study's numbers of labels.
    """
    there = sorted(results.rows, key=lambda labels: counts[labels])
    if len(there) < 2:
        return None
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    for chosen in results.design.sets:
        found = [(labels, results.row(results.design.arm(chosen, labels))) for labels in there]
        means = [np.mean(list(row.values.values())) for _, row in found if row]
        arm = Arm((results.design.target, *chosen))
        style = _style(arm)
        axis.plot([counts[labels] for labels, _ in found], means, marker=".", **style)
        if not chosen:
            spread = [_spread(row) for _, row in found if row]
            low, high = np.array(means) - spread, np.array(means) + spread
            x = [counts[labels] for labels, _ in found]
            axis.fill_between(x, low, high, color="#000", alpha=0.08, linewidth=0)
    axis.set_xscale("log")
    axis.set_xticks([counts[labels] for labels in there], [str(counts[one]) for one in there])
    axis.minorticks_off()
    axis.set_xlabel("training images with a label of the target", fontsize=8)
    axis.set_ylabel(results.metric, fontsize=8)
    _finish(axis)
    axis.legend(fontsize=7)
    return figure


def epochs_figure(
    results: Results, curves: Mapping[Arm, np.ndarray], training: TrainingConfig
) -> Figure:
    """The target's validation metric over training, a panel per number of labels.

    Args:
        curves: float (seeds, epochs) of each system.
    """
    figure, axes = _row(results, 2.6)
    x = unit([training])
    for axis, (labels, rows) in zip(axes, results.rows.items(), strict=True):
        for row in sorted(rows, key=lambda row: row.against is None):
            values = curves[row.arm].mean(axis=0)
            places = reached(training, range(1, len(values) + 1), x)
            axis.plot(places, values, **_style(row.arm))
        axis.set_title(f"labels: {labels_name(labels)}", fontsize=8, loc="left")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axis)
    axes[0].set_ylabel(results.metric, fontsize=8)
    axes[-1].legend(fontsize=6)
    figure.supxlabel(x, fontsize=8)
    return figure


def conflict_figure(results: Results, training: TrainingConfig) -> Figure | None:
    """Cosine between each auxiliary task's gradient and the target's, epoch by epoch.

    From the systems with one auxiliary task; None where nothing was measured.
    """
    if not any(row.conflict for rows in results.rows.values() for row in rows):
        return None
    figure, axes = _row(results, 2.6)
    x = unit([training])
    for axis, (labels, rows) in zip(axes, results.rows.items(), strict=True):
        axis.axhline(0, color="#000", linewidth=0.8)
        for row in _alone(rows):
            for task, values in row.conflict.items():
                places = reached(training, values, x)
                axis.plot(places, list(values.values()), color=colour(task), label=task)
        axis.set_title(f"labels: {labels_name(labels)}", fontsize=8, loc="left")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axis)
    axes[0].set_ylabel("cosine", fontsize=8)
    axes[-1].legend(fontsize=7)
    figure.supxlabel(x, fontsize=8)
    return figure


def _spread(row: Row) -> float:
    """Standard deviation over seeds; 0 for one."""
    values = list(row.values.values())
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _alone(rows: list[Row]) -> list[Row]:
    order = list(TASKS)
    found = [row for row in rows if len(row.arm.auxiliary) == 1]
    return sorted(found, key=lambda row: order.index(row.arm.auxiliary[0]))


def _style(arm: Arm) -> dict[str, Any]:
    """The baseline is black, a task alone has its colour, combinations are grey."""
    if not arm.auxiliary:
        return {"color": "#000000", "label": arm.title, "linewidth": 1.8}
    if len(arm.auxiliary) == 1:
        return {"color": colour(arm.auxiliary[0]), "label": arm.title, "linewidth": 1.2}
    return {"color": GREY, "linewidth": 1.0}


def _row(results: Results, height: float) -> tuple[Figure, list[Axes]]:
    count = len(results.rows)
    figure = Figure(figsize=(_PANEL_WIDTH * max(count, 1.6), height), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _shared_limits(axes: list[Axes]) -> None:
    limits = np.array([axis.get_xlim() for axis in axes])
    for axis in axes:
        axis.set_xlim(limits[:, 0].min(), limits[:, 1].max())
        _finish(axis)


def _finish(axis: Axes) -> None:
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.5)
