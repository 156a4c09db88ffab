"""``auxseg reproduce``: many systems and seeds into one table, going on after any stop."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from auxseg.experiments import launchers
from auxseg.experiments import reproduce as module

from . import runs
from .command import TINY, Outcome, auxseg
from .opened import count_opened

PRESETS = ("segnet-1task-scratch", "segnet-3task")
LINE = ("reproduce", "--presets", f"[{','.join(PRESETS)}]", *TINY, "--epochs", "1")

#: Folder, first call, second call, the runs' files between the two.
Reproduced = tuple[Path, Outcome, Outcome, dict[str, tuple[bytes, int]]]


def table(out: Path) -> dict[str, dict[str, str]]:
    """System → row title → cell, from ``table1.csv``."""
    with (out / "table1.csv").open(newline="", encoding="utf-8") as file:
        (_, *systems), *rows = csv.reader(file)
    return {
        system: {title: cells[column] for title, *cells in rows}
        for column, system in enumerate(systems)
    }


@pytest.fixture(scope="module")
def reproduced(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """Two systems with two seeds, and the same call once more."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    with pytest.MonkeyPatch.context() as patch:
        # Processes of their own take seconds to start; tests of launchers have them.
        patch.setattr(module, "Processes", lambda jobs: launchers.one_by_one)
        first = auxseg(*LINE, "--seeds", "2", "--jobs", "1", "--out", out)
    between = runs.snapshot(out / "runs")
    second = auxseg(*LINE, "--seeds", "2", "--jobs", "2", "--out", out)
    return out, first, second, between


def test_everything_is_written(reproduced: Reproduced) -> None:
    out, first, _, _ = reproduced
    assert first.succeeded().err == ""
    assert {path.name for path in out.iterdir()} == {
        "runs",
        "figures",
        "report.html",
        "table1.md",
        "table1.csv",
        "table1.tex",
    }
    assert {path.name for path in (out / "runs").iterdir()} == {
        f"{preset}-seed{seed}" for preset in PRESETS for seed in (0, 1)
    }
    with Image.open(out / "figures" / "fig4-predictions.png") as gallery:
        assert min(gallery.size) > 100


def test_cells_hold_mean_and_spread_of_the_test_metrics(reproduced: Reproduced) -> None:
    out = reproduced[0]
    cells = table(out)
    assert list(cells) == list(PRESETS)
    for preset in PRESETS:
        a, b = (
            runs.metrics(out / "runs" / f"{preset}-seed{seed}", "test")["segmentation/iou"]
            for seed in (0, 1)
        )
        spread = abs(a - b) / 2**0.5
        assert cells[preset]["average IoU"] == f"{(a + b) / 2:.3f} ± {spread:.3f}"
    assert cells["segnet-1task-scratch"]["classification accuracy"] == "–"
    assert "±" in cells["segnet-3task"]["classification accuracy"]


def test_the_papers_figures_stand_beside_ours(reproduced: Reproduced) -> None:
    cells = table(reproduced[0])
    assert cells["segnet-1task-scratch"]["average IoU (paper)"] == "0.775"
    assert cells["segnet-3task"]["box L2 loss (paper)"] == "463.4"


def test_the_markdown_table_says_what_was_run(reproduced: Reproduced) -> None:
    out, first, _, _ = reproduced
    text = (out / "table1.md").read_text(encoding="utf-8")
    sizes = "20 training, 8 validation, 8 test images at 32×32"
    for words in (*PRESETS, sizes, "seeds 0, 1.", "Mean ± standard deviation", "1 epoch"):
        assert words in text
    assert all(preset in first.out for preset in PRESETS)
    *_, one, two = first.out.splitlines()
    assert "It cannot show which tasks help" in first.out
    assert one.startswith("next: auxseg study")
    assert "auxseg fit" in two


def test_a_second_call_trains_nothing(reproduced: Reproduced) -> None:
    out, first, second, between = reproduced
    second.succeeded()
    after = runs.snapshot(out / "runs")
    assert after == between
    assert second.out.split("| system")[1] == first.out.split("| system")[1]


@pytest.mark.thorough
def test_a_failing_system_does_not_take_the_others_down(
    reproduced: Reproduced, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(reproduced[0], tmp_path / "out"))
    failing = out / "runs" / "segnet-3task-seed0"
    shutil.rmtree(failing)
    failing.write_text("in the way")
    outcome = auxseg(*LINE, "--jobs", "1", "--out", out)
    outcome.failed(1, "segnet-3task seed 0", str(failing))
    assert list(table(out)) == ["segnet-1task-scratch"]


@pytest.mark.thorough
def test_equal_weights_are_a_system_of_their_own(cache: Path, tmp_path: Path) -> None:
    line = ("reproduce", *TINY, "--epochs", "1", "--jobs", "1", "--presets", "mtan-3task")
    auxseg(*line, "--out", tmp_path / "out").succeeded()
    assert {path.name for path in (tmp_path / "out" / "runs").iterdir()} == {
        "mtan-3task-seed0",
        "mtan-3task-equal-seed0",
    }
    cells = table(tmp_path / "out")
    assert list(cells) == ["mtan-3task", "mtan-3task (balancer equal)"]
    assert cells["mtan-3task (balancer equal)"]["average IoU (paper)"] == "–"
    assert (tmp_path / "out" / "figures" / "fig3-weights.svg").is_file()


@pytest.mark.thorough
def test_options_of_a_task_reach_the_presets_that_have_it(cache: Path, tmp_path: Path) -> None:
    line = ("reproduce", *TINY, "--epochs", "1", "--jobs", "2", "--equal", "none")
    options = ("--tasks.options", "{denoising: {std: 25}}", "--tasks.weights", "{denoising: 0.3}")
    presets = ("--presets", "segnet-1task,segnet-noisy")
    auxseg(*line, *presets, *options, "--out", tmp_path / "out").succeeded()
    tasks = {
        preset: runs.config(tmp_path / "out" / "runs" / f"{preset}-seed0")["tasks"]
        for preset in ("segnet-1task", "segnet-noisy")
    }
    assert tasks["segnet-1task"]["options"] == tasks["segnet-1task"]["weights"] == {}
    assert tasks["segnet-noisy"]["options"] == {"denoising": {"std": 25}}
    assert tasks["segnet-noisy"]["weights"] == {"denoising": 0.3}


@pytest.mark.thorough
def test_the_data_are_opened_once_for_checks_and_report(
    reproduced: Reproduced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this process; each that trains opens its own."""
    out = Path(shutil.copytree(reproduced[0], tmp_path / "out"))
    monkeypatch.setattr(module, "run_all", lambda *_: {})
    opened = count_opened(monkeypatch)
    auxseg(*LINE, "--seeds", "2", "--out", out).succeeded()
    assert opened == {"Shapes": 1, "decoded": 1}


def test_a_run_is_tested_on_the_data_that_it_was_trained_on(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are still open."""
    monkeypatch.setattr(module, "Processes", lambda jobs: launchers.one_by_one)
    opened = count_opened(monkeypatch)
    line = ("reproduce", *TINY, "--epochs", "1", "--presets", "segnet-1task-scratch")
    auxseg(*line, "--out", tmp_path / "out").succeeded()
    assert opened == {"Shapes": 2, "decoded": 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--presets", "mtan-3task,mtan-3task"), ("--presets", "twice")),
        (("--presets", "mtan-4task"), ("mtan-4task", "mtan-3task")),
        (("--presets", "segnet-1task", "--equal", "mtan-3task"), ("--equal", "mtan-3task")),
        (("--presets", "mtan-all", "--views", "shared"), ("views", "per-task")),
        (("--seeds", "0"), ("--seeds", "1")),
        (("--tasks.weights", "{depth: 1.0}"), ("depth", "edges")),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    arguments: tuple[str, ...], words: tuple[str, ...], cache: Path, tmp_path: Path
) -> None:
    outcome = auxseg("reproduce", *TINY, *arguments, "--out", tmp_path / "out")
    outcome.failed(2, *words)
    assert not (tmp_path / "out").exists()
