"""Tables: aligned, complete, and with the spread worked out by hand."""

from __future__ import annotations

import csv
import io

import pytest

from auxseg.report.tables import (
    MISSING,
    Best,
    format_interval,
    format_spread,
    format_value,
    metric_info,
    metrics_table,
    to_csv,
    to_latex,
    to_markdown,
)
from auxseg.tasks import TASKS


def test_values() -> None:
    assert format_value(0.87654) == "0.877"
    assert format_value(463.44, digits=1) == "463.4"
    assert format_value(0.0) == "0.000"
    assert format_value(None) == MISSING
    assert format_value([0.5, None, 1.0], digits=1) == "0.5 – 1.0"


def test_spread_over_seeds_by_hand() -> None:
    """Deviations −2, 0, 2 from the mean 4: variance 8 / 2."""
    assert format_spread([2.0, 4.0, 6.0], digits=1) == "4.0 ± 2.0"
    assert format_spread([0.8]) == "0.800"
    assert format_spread([0.5, 0.5]) == "0.500 ± 0.000"


def test_spread_leaves_missing_values_out() -> None:
    assert format_spread([2.0, None, 6.0], digits=2) == "4.00 ± 2.83"
    assert format_spread([None, 0.8]) == "0.800"
    assert format_spread([None, None]) == format_spread([]) == MISSING


def test_markdown_is_aligned() -> None:
    table = to_markdown([["", "long header"], ["a longer name", "1"], ["b", "12.5 ± 3"]])
    assert table.splitlines() == [
        "|               | long header |",
        "| ------------- | ----------: |",
        "| a longer name |           1 |",
        "| b             |    12.5 ± 3 |",
    ]


def test_the_best_is_bold() -> None:
    rows = [["", "a_1"], ["IoU", Best("0.9 ± 0.1")], ["F1", "–"]]
    assert to_markdown(rows).splitlines()[2] == "| IoU | **0.9 ± 0.1** |"
    assert r"IoU & \textbf{0.9 $\pm$ 0.1} \\" in to_latex(rows, "").splitlines()
    assert to_csv(rows) == ",a_1\nIoU,0.9 ± 0.1\nF1,–\n"


def test_latex_is_escaped() -> None:
    text = to_latex([["", "a_1"], ["95 % of 64×64", "–"]], "10 & more, #1 {x} \\")
    assert r" & a\_1 \\" in text
    assert r"95 \% of 64$\times$64 & -- \\" in text
    assert r"\caption{10 \& more, \#1 \{x\} \textbackslash{}}" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_interval_by_hand() -> None:
    """Mean 4, deviation 2, error 2/√3, t(0.975; 2) = 4.3027."""
    assert format_interval([2.0, 4.0, 6.0], digits=2) == "-0.97 to 8.97"
    assert format_interval([2.0, None, 4.0, 6.0], digits=2) == "-0.97 to 8.97"
    assert format_interval([0.5]) == format_interval([None]) == MISSING


def test_csv_reads_back() -> None:
    rows = [["", "a, b"], ['say "x"', "0.5 ± 0.1"], ["–", ""]]
    text = to_csv(rows)
    assert list(csv.reader(io.StringIO(text))) == rows
    assert text.endswith("\n")
    assert "\r" not in text


@pytest.mark.parametrize(
    "key", [f"{name}/{metric}" for name, task in TASKS.items() for metric in task.METRICS]
)
def test_every_metric_has_a_title(key: str) -> None:
    assert metric_info(key).title
    assert metric_info(key).digits >= 0


def test_metrics_one_a_line() -> None:
    metrics = {
        "loss": 0.51234,
        "segmentation/iou": 0.87654,
        "segmentation/iou_per_class": [0.9, None],
        "bbox/loss": 0.25,
        "bbox/l2": 463.44,
        "classification/accuracy": None,
    }
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in metrics_table(metrics, ("background", "pet")).splitlines()
    ]
    assert rows[0] == ["metric", "value"]
    assert rows[2:] == [
        ["loss", "0.512"],
        ["segmentation/iou", "0.877"],
        ["segmentation/iou_per_class (background)", "0.900"],
        ["segmentation/iou_per_class (pet)", MISSING],
        ["bbox/loss", "0.250"],
        ["bbox/l2", "463.4"],
        ["classification/accuracy", MISSING],
    ]


def test_classes_without_names_are_numbered() -> None:
    table = metrics_table({"segmentation/iou_per_class": [0.5, 0.25]})
    assert "(0)" in table
    assert "(1)" in table


def test_a_part_without_masks_has_a_table() -> None:
    table = metrics_table({"segmentation/iou": None, "segmentation/iou_per_class": None})
    assert table.count(MISSING) == 2
