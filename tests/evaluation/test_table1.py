"""Table 1: the paper's figures, cell by cell, and ours above them."""

from __future__ import annotations

import pytest

from auxseg.evaluation import paper
from auxseg.evaluation.table1 import SystemResult, for_terminal, table1
from auxseg.evaluation.tables import MISSING, metric_info
from auxseg.presets import PRESETS

#: The paper's Table 1 as DESIGN, section 1, prints it.
TABLE = """
|   | segnet-1task-scratch | segnet-1task | segnet-3task | mtan-3task | mtan-no-bbox | mtan-no-class | mtan-canny | mtan-noisy | mtan-color |
| average IoU | 0.775 | 0.869 | 0.866 | 0.874 | 0.864 | 0.876 | 0.865 | 0.824 | 0.847 |
| weighted IoU | 0.782 | 0.869 | 0.870 | 0.879 | 0.868 | 0.880 | 0.871 | 0.829 | 0.852 |
| segmentation F1 | 0.853 | 0.921 | 0.919 | 0.924 | 0.918 | 0.926 | 0.918 | 0.889 | 0.906 |
| classification accuracy | – | – | 0.423 | 0.796 | 0.786 | – | 0.728 | 0.327 | 0.746 |
| box L2 loss | – | – | 463.4 | 353.9 | – | 347.3 | 376.1 | 1345 | 444.1 |
"""  # noqa: E501
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.strip().splitlines()
]
CELLS = [
    (preset, row[0], cell)
    for row in ROWS[1:]
    for preset, cell in zip(ROWS[0][1:], row[1:], strict=True)
]
KEYS = {metric_info(key).title: key for key in paper.ROWS}


@pytest.mark.parametrize(("preset", "title", "cell"), CELLS)
def test_the_paper_s_figure(preset: str, title: str, cell: str) -> None:
    figure = paper.figure(preset, KEYS[title])
    assert figure == (None if cell == MISSING else float(cell))


def test_the_rows_are_the_paper_s() -> None:
    assert [metric_info(key).title for key in paper.ROWS] == [row[0] for row in ROWS[1:]]


def test_systems_beyond_the_paper_have_no_figure() -> None:
    for name, system in PRESETS.items():
        known = any(paper.figure(name, key) is not None for key in paper.ROWS)
        assert known == system.in_paper, name


def test_a_preset_has_a_figure_for_each_of_its_tasks() -> None:
    for name, system in PRESETS.items():
        if system.in_paper:
            tasks = {key.split("/")[0] for key in paper.ROWS if paper.figure(name, key) is not None}
            assert tasks == set(system.tasks) & {key.split("/")[0] for key in paper.ROWS}


def result(preset: str, *ious: float, accuracy: float | None = None) -> SystemResult:
    metrics = [{"segmentation/iou": iou, "classification/accuracy": accuracy} for iou in ious]
    return SystemResult(preset, metrics, weights="shapes", parameters=1_234_567, seconds=12.34)


def test_ours_stand_above_the_paper_s() -> None:
    rows = table1([result("segnet-3task", 0.8, 0.9, accuracy=0.5), result("mtan-full-3task", 0.7)])
    columns = {row[0]: row[1:] for row in rows}
    assert len(columns) == len(rows)
    assert columns[""] == ["segnet-3task", "mtan-full-3task"]
    assert columns["average IoU"] == ["0.850 ± 0.071", "0.700"]
    assert columns["average IoU (paper)"] == ["0.866", MISSING]
    assert columns["classification accuracy"] == ["0.500 ± 0.000", MISSING]
    assert columns["box L2 loss"] == [MISSING, MISSING]
    assert columns["box L2 loss (paper)"] == ["463.4", MISSING]
    assert columns["pre-trained weights"] == ["shapes", "shapes"]
    assert columns["parameters (million)"] == ["1.23", "1.23"]
    assert columns["seconds per epoch"] == ["12.3", "12.3"]
    titles = [row[0] for row in rows]
    for title in KEYS:
        assert titles.index(f"{title} (paper)") == titles.index(title) + 1


def test_the_terminal_s_table_has_a_line_per_system() -> None:
    rows = for_terminal(table1([result("segnet-3task", 0.8), result("segnet-3task-scratch", 0.7)]))
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert rows[1][:2] == ["segnet-3task", "0.800 (0.866)"]
    assert rows[2][:2] == ["segnet-3task-scratch", "0.700"]
    assert rows[1][-1] == "12.3"
