"""Curves over steps: means over neighbours, shares of weights, gaps of missing labels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from auxseg.report import steps
from auxseg.runs.directory import RunDirectory

TASKS = ("segmentation", "bbox")


def a_system(folder: Path, rows: list[dict[str, Any]]) -> Any:
    """What the curves read of a system: its tasks, its name, its first run."""
    run = RunDirectory(folder)
    run.append_steps(rows)
    config = SimpleNamespace(tasks=SimpleNamespace(names=TASKS))
    return SimpleNamespace(name="system", config=config, runs=(run,))


def row(
    step: int, weights: tuple[Any, Any], losses: tuple[Any, Any] = (1.0, 2.0)
) -> dict[str, Any]:
    found: dict[str, Any] = {"epoch": 1, "step": step}
    for task, weight, loss in zip(TASKS, weights, losses, strict=True):
        found |= {f"{task}/weight": weight, f"{task}/loss": loss}
    return found


def test_weights_are_shares_of_the_step(tmp_path: Path) -> None:
    system = a_system(tmp_path, [row(1, (3.0, 1.0)), row(2, (1.0, -1.0))])
    x, y = steps.step_curve(system, "bbox", "weight")
    assert x.tolist() == [1.0, 2.0]
    assert y == pytest.approx([0.25, -0.5])


def test_losses_are_as_they_are(tmp_path: Path) -> None:
    system = a_system(tmp_path, [row(1, (3.0, 1.0), (0.5, 7.0))])
    assert steps.step_curve(system, "bbox", "loss")[1].tolist() == [7.0]


def test_a_step_without_the_task_is_left_out(tmp_path: Path) -> None:
    """Its neighbour has the whole share then."""
    system = a_system(tmp_path, [row(1, (2.0, ""), (1.0, "")), row(2, (2.0, 2.0))])
    assert steps.step_curve(system, "bbox", "weight")[0].tolist() == [2.0]
    assert steps.step_curve(system, "segmentation", "weight")[1] == pytest.approx([1.0, 0.5])


def test_long_runs_are_thinned_by_means(tmp_path: Path) -> None:
    count = 5 * steps.POINTS
    rows = [row(step, (1.0, 1.0), (float(step), 1.0)) for step in range(1, count + 1)]
    x, y = steps.step_curve(a_system(tmp_path, rows), "segmentation", "loss")
    assert len(x) == steps.POINTS
    assert x[0] == y[0] == 3.0
    assert np.all(np.diff(x) == 5)


def test_constant_weights_are_not_drawn(tmp_path: Path) -> None:
    constant = a_system(tmp_path / "a", [row(1, (0.7, 0.2)), row(2, (0.7, 0.2))])
    changing = a_system(tmp_path / "b", [row(1, (0.7, 0.2)), row(2, (0.5, 0.4))])
    assert steps.step_weights_figure([constant]) is None
    figure = steps.step_weights_figure([constant, changing])
    assert figure is not None
    assert sum(axis.get_visible() for axis in figure.axes) == 1


def test_methods_without_weights_are_not_drawn(tmp_path: Path) -> None:
    system = a_system(tmp_path, [row(1, ("", "")), row(2, ("", ""))])
    assert steps.step_weights_figure([system]) is None
