"""Table 1: every system's test metrics, mean ± standard deviation, beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auxseg.evaluation import paper
from auxseg.evaluation.tables import MISSING, format_spread, format_value, metric_info


@dataclass(frozen=True)
class SystemResult:
    """All runs of one system.

    Attributes:
        metrics: test metrics of each seed's run.
        weights: where the encoder's starting weights came from; "–" for none.
        parameters: number of the network's parameters.
        seconds: mean training seconds per epoch.
    """

    preset: str
    metrics: Sequence[Mapping[str, Any]]
    weights: str
    parameters: int
    seconds: float


def table1(results: Sequence[SystemResult]) -> list[list[str]]:
    """Rows of cells in the paper's layout: a column per system, the paper's figure below ours."""
    rows = [["", *(result.preset for result in results)]]
    for key in paper.ROWS:
        info = metric_info(key)
        ours = [
            format_spread([metrics.get(key) for metrics in result.metrics], info.digits)
            for result in results
        ]
        rows.append([info.title, *ours])
        theirs = [format_value(paper.figure(result.preset, key), info.digits) for result in results]
        rows.append([f"{info.title} (paper)", *theirs])
    rows.append(["pre-trained weights", *(result.weights for result in results)])
    rows.append(["parameters (million)", *(f"{result.parameters / 1e6:.2f}" for result in results)])
    rows.append(["seconds per epoch", *(f"{result.seconds:.1f}" for result in results)])
    return rows


def for_terminal(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same turned round, a line per system, the paper's figure in brackets: fits a screen."""
    columns = {row[0]: row[1:] for row in rows}
    header = ["system", "IoU (paper)", "weighted IoU", "F1", "accuracy", "box L2", "s/epoch"]
    lines = []
    for number, preset in enumerate(columns[""]):
        line = [preset]
        for key in paper.ROWS:
            title = metric_info(key).title
            ours, theirs = columns[title][number], columns[f"{title} (paper)"][number]
            line.append(ours if theirs == MISSING else f"{ours} ({theirs})")
        lines.append([*line, columns["seconds per epoch"][number]])
    return [header, *lines]
