"""What the teacher of photos without a mask taught: how sure it was, and of which classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from auxseg.palette import FIRST
from auxseg.report.curves import (
    axis_of,
    curve,
    draw,
    finish,
    keys,
    legend,
    mean_known,
    panels,
    styles,
    titled,
)
from auxseg.report.systems import System
from auxseg.report.tables import MISSING
from auxseg.tasks import TASKS

#: More classes than colours are in the table alone.
MOST_DRAWN = len(FIRST)
#: Characters of a class's name that a legend has room for.
LONGEST = 16


def taught(system: System) -> str | None:
    """The task for which a teacher was asked; None without one, and without a record of it."""
    for task in system.config.tasks.names:
        recorded = np.isfinite(curve(system, f"train/{task}/confident"))
        if TASKS[task].ASKS_TEACHER and recorded.any():
            return task
    return None


def confident_figure(systems: Sequence[System]) -> Figure:
    """A panel per system: the share of pixels that the teacher was sure of."""
    figure, axes = panels(len(systems))
    x = axis_of(systems)
    for axis, system in zip(axes, systems, strict=False):
        task = taught(system)
        draw(axis, system, f"train/{task}/confident", "#0072B2", x)
        draw(axis, system, f"val/{task}/confident", "#0072B2", x, "--")
        axis.set_ylim(-0.03, 1.03)
        titled(axis, system.name)
    finish(figure, axes, len(systems), "confident pixels", x=x)
    legend(figure, styles())
    return figure


def pseudo_labels_figure(systems: Sequence[System]) -> Figure | None:
    """A panel per system: each class's part of the confident pixels; None for many classes."""
    names = _classes(systems)
    if len(names) > MOST_DRAWN:
        return None
    colours = {name: to_hex(FIRST[number] / 255) for number, name in enumerate(names)}
    figure, axes = panels(len(systems))
    x = axis_of(systems)
    for axis, system in zip(axes, systems, strict=False):
        for name in system.classes.mask:
            draw(axis, system, _column(system, name), colours[name], x)
        axis.set_ylim(-0.03, 1.03)
        titled(axis, system.name)
    finish(figure, axes, len(systems), "part of the pseudo-labels", x=x)
    handles = keys(colours)
    for handle in handles:
        handle.set_label(_cut(handle.get_label()))
    legend(figure, handles)
    return figure


def pseudo_labels_table(
    systems: Sequence[System], masked: Mapping[str, np.ndarray]
) -> list[list[str]]:
    """A row per class: its part of the last epoch's confident pixels, and of the masks' pixels.

    Args:
        masked: system name → how many labelled training pixels each class has, (K,), where that is
            known.
    """
    columns = {
        f"masks of {system.name}": _shares(system, pixels / pixels.sum())
        for system in systems
        if (pixels := masked.get(system.name)) is not None
    }
    if len(columns) == len(systems) and len({repr(shares) for shares in columns.values()}) == 1:
        columns = {"masks": next(iter(columns.values()))}
    columns |= {
        system.name: _shares(system, [_last(system, name) for name in system.classes.mask])
        for system in systems
    }
    rows = [
        [name, *(column.get(name, MISSING) for column in columns.values())]
        for name in _classes(systems)
    ]
    return [["class", *columns], *rows]


def _classes(systems: Sequence[System]) -> list[str]:
    return list(dict.fromkeys(name for system in systems for name in system.classes.mask))


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _column(system: System, name: str) -> str:
    return f"train/{taught(system)}/pseudo_labels/{name}"


def _last(system: System, name: str) -> float:
    """The class's part in the last epoch, mean over seeds; NaN where no pixel was confident."""
    return float(mean_known(curve(system, _column(system, name)))[-1])


def _shares(system: System, values: Iterable[float]) -> dict[str, str]:
    """Class → its share in percent, in which a rare class can be told from none."""
    return {
        name: f"{100 * value:.3g} %" if np.isfinite(value) else MISSING
        for name, value in zip(system.classes.mask, values, strict=True)
    }
