"""``consistency`` and the average that teaches it, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import records, runs
from .command import TINY, Outcome, auxseg
from .test_report import Page
from .test_train import tags

#: Half a second of training in which a teacher of two classes is sure of every pixel.
SURE = ("--tasks.options.consistency.threshold", "0.5")
CLASSES = ("background", "animal")
FEW = (*TINY, "--labels", "8", *SURE, "--steps", "4", "--training.validate_every", "2")


def train(run: Path, *options: str | Path, preset: str = "unet-semi") -> Outcome:
    return auxseg("train", preset, *TINY, "--out", run, *options)


@pytest.fixture(scope="module")
def taught(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of unet-semi after four steps in two stretches. Never written to."""
    run = tmp_path_factory.mktemp("taught") / "run"
    auxseg("train", "unet-semi", *FEW, "--out", run).succeeded()
    return run


def test_the_history_says_what_the_teacher_taught(taught: Path) -> None:
    rows = runs.history(taught)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row in rows:
        assert float(row["train/consistency/confident"]) == 1
        parts = [float(row[f"train/consistency/pseudo_labels/{name}"]) for name in CLASSES]
        assert sum(parts) == pytest.approx(1, abs=1e-5)
        assert float(row["train/consistency/loss"]) > 0
        assert float(row["val/consistency/loss"]) > 0
        assert float(row["val/consistency/confident"]) == 1
        assert 0 <= float(row["val/consistency/agreement"]) <= 1
    recorded = {name for name in rows[0] if "consistency" in name}
    assert recorded <= tags(taught)


def test_the_metrics_file_has_both_metrics(taught: Path) -> None:
    metrics = runs.metrics(taught, "val")
    assert metrics["consistency/confident"] == 1
    assert 0 <= metrics["consistency/agreement"] <= 1


def test_every_step_has_its_row(taught: Path) -> None:
    steps = records.steps(taught)
    assert [(row["epoch"], row["step"]) for row in steps] == [
        ("1", "1"), ("1", "2"), ("2", "3"), ("2", "4"),
    ]  # fmt: skip
    for row in steps:
        assert float(row["consistency/loss"]) > 0
        assert float(row["consistency/weight"]) == 0.7


def test_a_teacher_that_is_sure_of_nothing_teaches_nothing(tmp_path: Path) -> None:
    options = ("--labels", "8", "--steps", "2", "--tasks.options.consistency.threshold", "1")
    outcome = train(tmp_path / "run", *options).succeeded()
    assert "consistency teaches no pixel of background, animal" in outcome.err
    (*_, row) = runs.history(tmp_path / "run")
    assert float(row["train/consistency/confident"]) == 0
    assert row["train/consistency/pseudo_labels/animal"] == row["val/consistency/agreement"] == ""
    assert runs.metrics(tmp_path / "run", "val")["consistency/agreement"] is None
    assert {row["consistency/loss"] for row in records.steps(tmp_path / "run")} == {""}


def test_evaluate_finds_what_training_found(taught: Path) -> None:
    before = runs.metrics(taught, "val")
    auxseg("evaluate", taught, "--split", "val").succeeded()
    assert runs.metrics(taught, "val") == before


def test_it_has_no_output_of_its_own(taught: Path, tmp_path: Path) -> None:
    outcome = auxseg("export", taught, "--tasks", "consistency", "--out", tmp_path / "no.onnx")
    outcome.failed(2, "--tasks", "consistency", "segmentation")


@pytest.mark.thorough
def test_the_report_shows_what_the_teacher_taught(
    taught: Path, trained: Path, tmp_path: Path
) -> None:
    auxseg("report", taught, "--out", tmp_path / "with").succeeded()
    page = Page(tmp_path / "with" / "report.html")
    assert "What the teacher taught" in page.titles
    assert {"teacher-confident", "teacher-pseudo-labels"} <= set(page.pictures)
    assert "masks" in page.cells
    assert "4 steps" in page.text
    auxseg("report", trained, "--out", tmp_path / "without").succeeded()
    assert "What the teacher taught" not in Page(tmp_path / "without" / "report.html").titles


# -- what cannot be -------------------------------------------------------------------------------


def test_without_a_photo_that_lacks_a_mask_there_is_nothing_to_teach(tmp_path: Path) -> None:
    outcome = train(tmp_path / "run", "--steps", "2")
    outcome.failed(1, "consistency", "--unlabelled")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--training.ema", "null"), ("consistency", "training.ema")),
        (("--views", "shared"), ("tasks.views", "consistency", "per-task")),
        (("--tasks.names", "consistency,segmentation"), ("tasks.names", "consistency", "first")),
        (("--tasks.names", "classification,consistency"), ("tasks.names", "segmentation", "first")),
        (("--tasks.names", "consistency"), ("tasks.names", "segmentation", "first")),
        (("--steps", "10", "--epochs", "3"), ("training.steps", "training.epochs")),
        (("--tasks.options.consistency.threshold", "1.5"), ("consistency.threshold", "1.5", "1")),
    ],
)
def test_refused(options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path) -> None:
    train(tmp_path / "run", "--labels", "8", *options).failed(2, *words)
    assert not (tmp_path / "run").exists()


def test_reproduce_says_so_before_it_trains_others(tmp_path: Path) -> None:
    line = ("reproduce", *TINY, "--epochs", "1", "--presets", "unet-1task,unet-semi")
    auxseg(*line, "--out", tmp_path / "out").failed(1, "consistency", "--unlabelled")
    assert not list(tmp_path.rglob("history.csv"))


# -- epochs or steps ------------------------------------------------------------------------------


def test_epochs_win_over_a_file_s_steps_and_steps_over_its_epochs(tmp_path: Path) -> None:
    for name, below, given, rows in (
        ("epochs", "{steps: 4, validate_every: 1}", ("--epochs", "3"), 3),
        ("steps", "{epochs: 3}", ("--steps", "2"), 2),
    ):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"training: {below}\n", encoding="utf-8")
        options = ("--labels", "8", *SURE, "--config", file, *given)
        train(tmp_path / name, *options).succeeded()
        training = runs.config(tmp_path / name)["training"]
        expected = {"epochs": None, "steps": None} | {name: rows}
        assert {key: training[key] for key in expected} == expected
        assert len(runs.history(tmp_path / name)) == rows
