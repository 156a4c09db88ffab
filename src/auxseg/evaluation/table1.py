"""Table 1: every system's metrics, mean ± standard deviation, beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from auxseg.evaluation import paper
from auxseg.evaluation.cost import Cost
from auxseg.evaluation.tables import (
    MISSING,
    Best,
    format_interval,
    format_spread,
    format_value,
    is_reference,
    metric_info,
)
from auxseg.tasks import TASKS, MetricInfo


@dataclass(frozen=True)
class SystemResult:
    """All runs of one system.

    Attributes:
        name: its column's title.
        preset: whose figures in the paper stand beside it; None where the paper has none.
        metrics: metrics of each seed's run.
        weights: where the encoder's starting weights came from; "–" for none.
        seconds: mean training seconds per epoch.
        cost: parameters, arithmetic, memory.
        peak_memory: bytes that training took at its peak, where a GPU measured it.
    """

    name: str
    preset: str | None
    metrics: Sequence[Mapping[str, Any]]
    weights: str
    seconds: float
    cost: Cost
    peak_memory: float | None = None


def table1(results: Sequence[SystemResult]) -> list[list[str]]:
    """Rows of cells in the paper's layout: a column per system, the paper's figure below ours.

    The best of a row is :class:`Best`. Rows of the self-supervised tasks, which the paper's table
    has not, follow where a system has such a task. Where a system ran with several seeds, the
    interval of the mean stands below it.
    """
    rows = [["", *(result.name for result in results)]]
    for key in (*paper.ROWS, *_further(results)):
        rows += _metric_rows(key, results)
    cost = [result.cost for result in results]
    rows.append(["pre-trained weights", *(result.weights for result in results)])
    rows.append(["parameters (million)", *(f"{one.parameters / 1e6:.2f}" for one in cost)])
    rows.append(["forward pass (GFLOP per image)", *(f"{one.flops / 1e9:.2f}" for one in cost)])
    rows.append(
        ["training memory (MiB, estimated)", *(f"{one.memory / 2**20:.0f}" for one in cost)]
    )
    if any(result.peak_memory for result in results):
        peaks = (result.peak_memory for result in results)
        measured = (MISSING if peak is None else f"{peak / 2**20:.0f}" for peak in peaks)
        rows.append(["training memory (MiB, measured)", *measured])
    rows.append(["seconds per epoch", *(f"{result.seconds:.1f}" for result in results)])
    return rows


def _further(results: Sequence[SystemResult]) -> list[str]:
    """Metric keys of self-supervised tasks that a system has."""
    present = {key for result in results for metrics in result.metrics for key in metrics}
    return [
        f"{name}/{metric}"
        for name, task in TASKS.items()
        if task.SELF_SUPERVISED
        for metric in (*task.METRICS, *task.REFERENCES)
        if f"{name}/{metric}" in present
    ]


def _metric_rows(key: str, results: Sequence[SystemResult]) -> list[list[str]]:
    """Ours with the best in bold, the interval where there are seeds, the paper's if it has any."""
    info = metric_info(key)
    values = [[metrics.get(key) for metrics in result.metrics] for result in results]
    cells = [format_spread(one, info.digits) for one in values]
    if not is_reference(key):
        cells = _marked(cells, values, info)
    rows = [[info.title, *cells]]
    if any(len(result.metrics) > 1 for result in results):
        intervals = (format_interval(one, info.digits) for one in values)
        rows.append([f"{info.title} (95 % interval)", *intervals])
    if key in paper.ROWS:
        theirs = [result.preset and paper.figure(result.preset, key) for result in results]
        rows.append([f"{info.title} (paper)", *(format_value(one, info.digits) for one in theirs)])
    return rows


def _marked(
    cells: Sequence[str], values: Sequence[Sequence[float | None]], info: MetricInfo
) -> list[str]:
    """Cells of those systems that share the best mean, as shown, become :class:`Best`."""
    means: dict[int, float] = {}
    for number, one in enumerate(values):
        known = [value for value in one if value is not None]
        if known:
            means[number] = round(mean(known), info.digits)
    if len(set(means.values())) < 2:
        return list(cells)
    best = max(means.values()) if info.higher_is_better else min(means.values())
    return [Best(cell) if means.get(number) == best else cell for number, cell in enumerate(cells)]


def for_terminal(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same turned round, a line per system, the paper's figure in brackets: fits a screen."""
    columns = {row[0]: row[1:] for row in rows}
    header = ["system", "IoU (paper)", "weighted IoU", "F1", "accuracy", "box L2", "s/epoch"]
    lines = []
    for number, name in enumerate(columns[""]):
        line = [name]
        for key in paper.ROWS:
            title = metric_info(key).title
            ours, theirs = str(columns[title][number]), columns[f"{title} (paper)"][number]
            line.append(ours if theirs == MISSING else f"{ours} ({theirs})")
        lines.append([*line, columns["seconds per epoch"][number]])
    return [header, *lines]
