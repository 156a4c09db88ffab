"""Tables as plain text, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student_t

from auxseg.tasks import TASKS, MetricInfo

MISSING = "–"

#: Of the interval that stands beside a mean over seeds.
CONFIDENCE = 0.95


class Best(str):
    """A cell that is the best of its row: bold, where a format knows that."""

    __slots__ = ()


def metric_info(key: str) -> MetricInfo:
    """How to read a metric key such as ``segmentation/iou``."""
    task, metric = key.split("/")
    return TASKS[task].metric_infos()[metric]


def is_reference(key: str) -> bool:
    """Whether no prediction changes this metric: it is there to compare others with."""
    task, metric = key.split("/")
    return metric in TASKS[task].REFERENCES


def format_value(value: Any, digits: int = 3) -> str:
    """A number with fixed decimals, a list per item, – for a missing value.

    >>> format_value(0.87654), format_value(None), format_value([0.5, None])
    ('0.877', '–', '0.500 –')
    """
    if value is None:
        return MISSING
    if isinstance(value, (list, tuple)):
        return " ".join(format_value(item, digits) for item in value)
    return f"{value:.{digits}f}"


def format_spread(values: Sequence[float | None], digits: int = 3) -> str:
    """Mean ± standard deviation over seeds (n − 1); one seed has no spread.

    >>> format_spread([0.8, 0.9]), format_spread([0.8]), format_spread([None])
    ('0.850 ± 0.071', '0.800', '–')
    """
    numbers = [value for value in values if value is not None]
    if not numbers:
        return MISSING
    if len(numbers) == 1:
        return format_value(numbers[0], digits)
    return f"{mean(numbers):.{digits}f} ± {stdev(numbers):.{digits}f}"


def format_interval(values: Sequence[float | None], digits: int = 3) -> str:
    """The 95 % confidence interval of the mean over seeds, by Student's t with n − 1 degrees.

    It assumes that runs of other seeds scatter normally, and says nothing of other test images.

    >>> format_interval([0.8, 0.9]), format_interval([0.8])
    ('0.215 to 1.485', '–')
    """
    numbers = [value for value in values if value is not None]
    if len(numbers) < 2:
        return MISSING
    centre, spread = mean(numbers), stdev(numbers)
    half = student_t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1) * spread / len(numbers) ** 0.5
    return f"{centre - half:.{digits}f} to {centre + half:.{digits}f}"


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first the header → an aligned Markdown table, good to read as it is."""
    rows = [[f"**{cell}**" if isinstance(cell, Best) else cell for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * widths[0]), *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([line(rows[0]), f"| {' | '.join(rule)} |", *(line(row) for row in rows[1:])])


def to_csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def to_latex(rows: Sequence[Sequence[str]], caption: str) -> str:
    """A ``table*`` for LaTeX (packages booktabs and graphicx), as wide as the text."""
    lines = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table*}",
            rf"\caption{{{_latex(caption)}}}",
            r"\label{tab:systems}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def _latex(cell: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in cell)
    return rf"\textbf{{{escaped}}}" if isinstance(cell, Best) else escaped


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": "$^2$",
    "–": "--",
    "→": r"$\to$",
}


def _digits(key: str) -> int:
    """Decimals of a metric; losses and lists per class have none of their own."""
    task, _, metric = key.partition("/")
    known = TASKS[task].metric_infos() if task in TASKS else {}
    return known[metric].digits if metric in known else 3


def metrics_table(metrics: Mapping[str, Any], classes: Sequence[str] = ()) -> str:
    """A run's metrics, one per line; values per class have the classes' names.

    Args:
        classes: names of the mask's classes, for ``segmentation/iou_per_class``.
    """
    rows = [("metric", "value")]
    for key, value in metrics.items():
        if isinstance(value, list):
            names = classes if len(classes) == len(value) else [str(n) for n in range(len(value))]
            rows += [
                (f"{key} ({name})", format_value(item))
                for name, item in zip(names, value, strict=True)
            ]
        else:
            rows.append((key, format_value(value, _digits(key))))
    return to_markdown(rows)
