"""Losses and validation IoU of every system over its training (the paper's Fig. 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from auxseg.report.progress import reached, unit
from auxseg.report.systems import System
from auxseg.tasks import TASKS

#: Panels beside each other.
COLUMNS = 4
#: Inches of one panel.
PANEL = (2.7, 2.1)

#: Inches of an entry of a legend.
ENTRY = (1.25, 0.16)

#: Okabe and Ito's colours, which colour-blind readers can tell apart, then some of Paul Tol's.
#: Black is a study's baseline.
_PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#661100", "#882255", "#999933", "#332288", "#44AA99"),
)
GREY = "#b8b8b8"
#: Uninformed predictions cost about 1; what lies above this is cut off, to leave room for the rest.
LARGEST_LOSS = 20.0


def colour(task: str) -> str:
    """The task's colour in every figure."""
    return _PALETTE[list(TASKS).index(task) % len(_PALETTE)]


def curve(system: System, column: str) -> np.ndarray:
    """One column of the histories: float (seeds, epochs), NaN where a run has no value."""
    return np.array(
        [[float(row.get(column) or math.nan) for row in run.read_history()] for run in system.runs]
    )


def metric_figure(systems: Sequence[System], column: str, title: str) -> Figure:
    """A panel per system: its validation metric, the other systems' in grey behind it."""
    figure, axes = panels(len(systems))
    x = axis_of(systems)
    for axis, system in zip(axes, systems, strict=False):
        for other in systems:
            values = curve(other, column)
            axis.plot(places(other, values, x), mean_known(values), color=GREY, linewidth=0.8)
        draw(axis, system, column, "#0072B2", x)
        titled(axis, system.name)
    finish(figure, axes, len(systems), title, x=x)
    return figure


def loss_figure(systems: Sequence[System]) -> Figure:
    """A panel per system: every task's unweighted loss, training solid and validation dashed."""
    figure, axes = panels(len(systems))
    x = axis_of(systems)
    for axis, system in zip(axes, systems, strict=False):
        for task in system.config.tasks.names:
            draw(axis, system, f"train/{task}/loss", colour(task), x)
            draw(axis, system, f"val/{task}/loss", colour(task), x, "--")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        titled(axis, system.name)
    finish(figure, axes, len(systems), "loss (log)", x=x)
    top = min(LARGEST_LOSS, axes[0].get_ylim()[1])
    for axis in axes[: len(systems)]:
        axis.set_ylim(top=top)
    used = dict.fromkeys(task for system in systems for task in system.config.tasks.names)
    handles = [*keys({task: colour(task) for task in used}), *styles()]
    legend(figure, handles)
    return figure


def weights_figure(tuned: System, equal: System) -> Figure:
    """Equal against tuned task weights: the IoU, and each task's validation loss."""
    names = tuned.config.tasks.names
    columns = {"val/segmentation/iou": "validation IoU"}
    columns |= {f"val/{task}/loss": f"validation loss, {task}" for task in names}
    figure, axes = panels(len(columns))
    x = axis_of([tuned, equal])
    colours = {"tuned weights": "#0072B2", "equal weights": "#D55E00"}
    for axis, (column, title) in zip(axes, columns.items(), strict=False):
        for system, colour in zip((tuned, equal), colours.values(), strict=True):
            draw(axis, system, column, colour, x)
        axis.set_title(title, fontsize=8, loc="left")
    finish(figure, axes, len(columns), "", share=False, x=x)
    legend(figure, keys(colours))
    return figure


def titled(axis: Axes, name: str) -> None:
    """Puts a system's name above its panel, in several lines if need be."""
    axis.set_title(fill(name, 34), fontsize=8, loc="left")


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A grid of at least this many panels, row by row."""
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows + 0.4), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def axis_of(systems: Sequence[System]) -> str:
    """What the figure's axis of training counts; see :func:`auxseg.report.progress.unit`."""
    return unit(system.config.training for system in systems)


def places(system: System, values: np.ndarray, x: str) -> np.ndarray:
    """Where on an axis of epochs or steps the values of a history, (…, epochs), lie."""
    return reached(system.config.training, range(1, values.shape[-1] + 1), x)


def draw(axis: Axes, system: System, column: str, colour: str, x: str, style: str = "-") -> None:
    """A column's mean over the seeds that have a value, and a band from the least to the greatest.

    Args:
        x: what the axis counts.
    """
    values = curve(system, column)
    place = places(system, values, x)
    mean = mean_known(values)
    axis.plot(place, mean, style, color=colour, linewidth=1.4, marker=".", markersize=3)
    if len(values) > 1:
        known = np.ma.masked_invalid(values)
        band = (edge.filled(math.nan) for edge in (known.min(axis=0), known.max(axis=0)))
        axis.fill_between(place, *band, color=colour, alpha=0.15, linewidth=0)


def mean_known(values: np.ndarray) -> np.ndarray:
    """(seeds, epochs) → (epochs,): the mean over the seeds that have a value, NaN of none."""
    return np.asarray(np.ma.masked_invalid(values).mean(axis=0).filled(math.nan))


def finish(
    figure: Figure,
    axes: Sequence[Axes],
    used: int,
    title: str,
    *,
    share: bool = True,
    x: str,
) -> None:
    """Whole numbers below, one scale for all panels, no empty panels."""
    shown = axes[:used]
    if share:
        limits = np.array([axis.get_ylim() for axis in shown])
        for axis in shown:
            axis.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    for axis in shown:
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.5)
    for axis in axes[used:]:
        axis.set_visible(False)
    figure.supxlabel(x, fontsize=8)
    if title:
        figure.supylabel(title, fontsize=8)


def keys(colours: Mapping[str, str]) -> list[Any]:
    """Entries of a legend: name → colour."""
    return [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]


def legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Puts a legend above the panels, in as many lines as the figure's width asks for."""
    columns = min(len(handles), max(1, int(figure.get_figwidth() / ENTRY[0])))
    lines = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + ENTRY[1] * (lines - 1))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, fontsize=7)


def styles() -> list[Any]:
    return [
        Line2D([], [], color="#444", linestyle="-", label="training"),
        Line2D([], [], color="#444", linestyle="--", label="validation"),
    ]
