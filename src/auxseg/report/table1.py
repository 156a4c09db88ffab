"""Table 1: every system's metrics, mean ± standard deviation, beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from auxseg.report import paper
from auxseg.report.tables import (
    MISSING,
    Best,
    format_interval,
    format_spread,
    format_value,
    is_reference,
    metric_info,
)
from auxseg.runs.cost import Cost
from auxseg.tasks import TASKS, MetricInfo


@dataclass(frozen=True)
class SystemResult:
    """All runs of one system.

    Attributes:
        name: its column's title.
        preset: whose figures in the paper stand beside it; None where the paper has none.
        metrics: metrics of each seed's run.
        seeds: of these runs.
        weights: where the encoder's starting weights came from; "–" for none.
        seconds: mean seconds per epoch, validation included.
        cost: parameters and arithmetic.
        memory: bytes that a training step holds at its peak, by a dry run.
        peak_memory: bytes that training took at its peak, where a GPU measured it.
    """

    name: str
    preset: str | None
    metrics: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    weights: str
    seconds: float
    cost: Cost
    memory: int
    peak_memory: float | None = None


def table1(results: Sequence[SystemResult], *, comparable: bool = True) -> list[list[str]]:
    """Rows of cells in the paper's layout: a column per system, the paper's figure below ours.

    The best of a row is :class:`Best`. Rows of further tasks, which the paper's table has
    not, follow where a system has such a task. Where a system ran with several seeds, the
    interval of the mean stands below it, and in the end the difference to the first system.

    Args:
        comparable: whether all were measured on the same images; else none is best.
    """
    rows = [["", *(result.name for result in results)]]
    if any(len(result.seeds) > 1 for result in results):
        rows.append(["runs", *(str(len(result.seeds)) for result in results)])
    for key in (*paper.ROWS, *_further(results)):
        rows += _metric_rows(key, results, comparable)
    if comparable:
        rows += _difference_rows(paper.ROWS[0], results)
    cost = [result.cost for result in results]
    rows.append(["pre-trained weights", *(result.weights for result in results)])
    rows.append(["parameters (million)", *(f"{one.parameters / 1e6:.2f}" for one in cost)])
    rows.append(["forward pass (GFLOP per image)", *(f"{one.flops / 1e9:.2f}" for one in cost)])
    rows.append(
        [
            "training memory (MiB, estimated)",
            *(f"{result.memory / 2**20:.0f}" for result in results),
        ]
    )
    if any(result.peak_memory for result in results):
        peaks = (result.peak_memory for result in results)
        measured = (MISSING if peak is None else f"{peak / 2**20:.0f}" for peak in peaks)
        rows.append(["training memory (MiB, measured)", *measured])
    rows.append(["seconds per epoch", *(f"{result.seconds:.1f}" for result in results)])
    return rows


def _further(results: Sequence[SystemResult]) -> list[str]:
    """Metric keys of the tasks that the paper's table has not, where a system has them."""
    in_paper = {key.split("/")[0] for key in paper.ROWS}
    present = {key for result in results for metrics in result.metrics for key in metrics}
    return [
        f"{name}/{metric}"
        for name, task in TASKS.items()
        if name not in in_paper
        for metric in task.metric_infos()
        if f"{name}/{metric}" in present
    ]


def _metric_rows(key: str, results: Sequence[SystemResult], comparable: bool) -> list[list[str]]:
    """Ours with the best in bold, the interval where there are seeds, the paper's if it has any."""
    info = metric_info(key)
    values = [[metrics.get(key) for metrics in result.metrics] for result in results]
    cells = [format_spread(one, info.digits) for one in values]
    if comparable and not is_reference(key):
        cells = _marked(cells, values, info)
    rows = [[info.title, *cells]]
    if not is_reference(key):
        intervals = [format_interval(one, info.digits) for one in values]
        rows.append([f"{info.title} (95 % interval)", *intervals])
    if key in paper.ROWS:
        theirs = [result.preset and paper.figure(result.preset, key) for result in results]
        rows.append([f"{info.title} (paper)", *(format_value(one, info.digits) for one in theirs)])
    return [rows[0], *(row for row in rows[1:] if set(row[1:]) != {MISSING})]


def _difference_rows(key: str, results: Sequence[SystemResult]) -> list[list[str]]:
    """How much better a metric is than the first system's, seed by seed; with seeds only."""
    info = metric_info(key)
    cells, intervals = [], []
    for result in results:
        differences = _differences(key, results[0], result) if result is not results[0] else []
        cells.append(f"{mean(differences):+.{info.digits}f}" if differences else MISSING)
        intervals.append(format_interval(differences, info.digits))
    if all(interval == MISSING for interval in intervals):
        return []
    title = f"{info.title} less that of {results[0].name}"
    return [[title, *cells], [f"{title} (95 % interval)", *intervals]]


def _differences(key: str, first: SystemResult, other: SystemResult) -> list[float]:
    """Over the seeds that both have: the same seed means the same start and the same order."""
    values = [
        {seed: metrics.get(key) for seed, metrics in zip(one.seeds, one.metrics, strict=True)}
        for one in (first, other)
    ]
    return [
        ours - theirs
        for seed, ours in values[1].items()
        if ours is not None and (theirs := values[0].get(seed)) is not None
    ]


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
    beside = any(title.endswith("(paper)") for title in columns)
    header = [
        "system",
        f"IoU{' (paper)' * beside}",
        "weighted IoU",
        "F1",
        "accuracy",
        "box L2",
        "s/epoch",
    ]
    nothing = [MISSING] * len(columns[""])
    lines = []
    for number, name in enumerate(columns[""]):
        line = [name]
        for key in paper.ROWS:
            title = metric_info(key).title
            ours = str(columns[title][number])
            theirs = columns.get(f"{title} (paper)", nothing)[number]
            line.append(ours if theirs == MISSING else f"{ours} ({theirs})")
        lines.append([*line, columns["seconds per epoch"][number]])
    return [header, *lines]
