"""Table 1: the paper's figures, cell by cell, and ours above them."""

from __future__ import annotations

import pytest

from auxseg.config.presets import PRESETS
from auxseg.report import paper
from auxseg.report.table1 import SystemResult, for_terminal, table1
from auxseg.report.tables import MISSING, Best, metric_info
from auxseg.runs.cost import Cost

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


def result(
    preset: str, *ious: float, accuracy: float | None = None, name: str | None = None, **more: float
) -> SystemResult:
    metrics = [
        {"segmentation/iou": iou, "classification/accuracy": accuracy, **more} for iou in ious
    ]
    return SystemResult(
        name=name or preset,
        preset=None if name else preset,
        metrics=metrics,
        seeds=range(len(ious)),
        weights="drawings",
        seconds=12.34,
        cost=Cost(parameters=1_234_567, flops=2_500_000_000),
        memory=3 * 2**20,
    )


def columns(*results: SystemResult) -> dict[str, list[str]]:
    """Row title → cells."""
    rows = table1(results)
    assert len({row[0] for row in rows}) == len(rows)
    assert {len(row) for row in rows} == {len(results) + 1}
    return {row[0]: list(row[1:]) for row in rows}


def test_ours_stand_above_the_paper_s() -> None:
    two = (result("segnet-3task", 0.8, 0.9, accuracy=0.5), result("mtan-full-3task", 0.7))
    cells = columns(*two)
    assert cells[""] == ["segnet-3task", "mtan-full-3task"]
    assert cells["average IoU"] == ["0.850 ± 0.071", "0.700"]
    assert cells["average IoU (paper)"] == ["0.866", MISSING]
    assert cells["classification accuracy"] == ["0.500 ± 0.000", MISSING]
    assert cells["box L2 loss"] == [MISSING, MISSING]
    assert cells["box L2 loss (paper)"] == ["463.4", MISSING]
    assert cells["pre-trained weights"] == ["drawings", "drawings"]
    assert cells["parameters (million)"] == ["1.23", "1.23"]
    assert cells["forward pass (GFLOP per image)"] == ["2.50", "2.50"]
    assert cells["training memory (MiB, estimated)"] == ["3", "3"]
    assert "training memory (MiB, measured)" not in cells
    assert cells["seconds per epoch"] == ["12.3", "12.3"]


def test_an_interval_stands_where_there_are_seeds_and_only_there() -> None:
    """Two runs: mean 0.85, standard error 0.05, and 12.706 of them either way."""
    cells = columns(result("segnet-3task", 0.8, 0.9), result("segnet-1task", 0.7))
    assert cells["average IoU (95 % interval)"] == ["0.215 to 1.485", MISSING]
    assert not any("interval" in title for title in columns(result("segnet-3task", 0.8)))


def test_the_best_of_a_row_is_marked() -> None:
    cells = columns(
        result("segnet-1task", 0.8, **{"bbox/l2": 100.0}),
        result("segnet-3task", 0.9, **{"bbox/l2": 90.0}),
        result("mtan-3task", 0.9001, 0.9001, **{"bbox/l2": 95.0}),
    )
    marked = {title: [isinstance(c, Best) for c in row] for title, row in cells.items()}
    assert marked["average IoU"] == [False, True, True]  # equal as shown
    assert marked["box L2 loss"] == [False, True, False]  # less is better
    assert not any(marked["average IoU (paper)"])
    assert not any(marked["seconds per epoch"])


def test_the_difference_to_the_first_system_is_taken_seed_by_seed() -> None:
    """Differences 0.1 and 0.12: mean 0.11, standard error 0.01, t(0.975; 1) = 12.706."""
    cells = columns(result("segnet-1task", 0.5, 0.7, 0.9), result("mtan-3task", 0.6, 0.82))
    title = "average IoU less that of segnet-1task"
    assert cells[title] == [MISSING, "+0.110"]
    assert cells[f"{title} (95 % interval)"] == [MISSING, "-0.017 to 0.237"]
    alone = columns(result("segnet-1task", 0.5, 0.7), result("mtan-3task", 0.6))
    assert not any("less that" in row for row in alone)


def test_where_all_are_equal_none_is_best() -> None:
    cells = columns(result("segnet-1task", 0.8), result("segnet-3task", 0.8))
    assert not any(isinstance(cell, Best) for row in cells.values() for cell in row)
    assert not any(
        isinstance(cell, Best) for row in columns(result("mtan-3task", 1)).values() for cell in row
    )


def test_self_supervised_metrics_follow_the_paper_s_rows() -> None:
    noisy = result("mtan-noisy", 0.8, **{"denoising/psnr": 20.0, "denoising/input_psnr": 42.1})
    cells = columns(noisy, result("mtan-color", 0.7, **{"denoising/input_psnr": 45.0}))
    assert cells["denoising PSNR (dB)"] == ["20.0", MISSING]
    assert cells["PSNR of the noisy input (dB)"] == ["42.1", "45.0"]
    assert not any(isinstance(cell, Best) for cell in cells["PSNR of the noisy input (dB)"])
    assert "edge F1" not in cells
    titles = list(cells)
    assert titles.index("denoising PSNR (dB)") > titles.index("box L2 loss (paper)")


def test_a_task_from_the_mask_has_its_rows_too() -> None:
    cells = columns(result("mtan-3task", 0.8, **{"boundary/f1": 0.25}), result("mtan-color", 0.7))
    assert cells["boundary F1"] == ["0.250", MISSING]


def test_a_variant_of_a_preset_has_no_figure_of_the_paper() -> None:
    cells = columns(result("mtan-3task", 0.8, name="mtan-3task (balancer equal)"))
    assert cells[""] == ["mtan-3task (balancer equal)"]
    assert not any("(paper)" in title for title in cells)


def test_the_terminal_s_table_has_a_line_per_system() -> None:
    rows = for_terminal(table1([result("segnet-3task", 0.8), result("segnet-3task-scratch", 0.7)]))
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert rows[1][:2] == ["segnet-3task", "0.800 (0.866)"]
    assert rows[2][:2] == ["segnet-3task-scratch", "0.700"]
    assert rows[1][-1] == "12.3"
