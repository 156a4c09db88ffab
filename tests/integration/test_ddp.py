"""Two processes train one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import runs
from .command import TINY, auxseg, process


@pytest.mark.slow
def test_two_processes_write_one_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-3task", *TINY, "--devices", "2", "--epochs", "2", "--out", run)
    outcome = process(*line).succeeded()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [row["epoch"] for row in runs.history(run)] == ["1", "2"]
    assert [line.split()[1] for line in outcome.out.splitlines() if line.startswith("epoch")] == [
        "1/2",
        "2/2",
    ]
    assert outcome.out.count("run directory:") == 1
    assert len(list(run.glob("*tfevents*"))) == 1
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    assert after["segmentation/iou"] == before["segmentation/iou"]


@pytest.mark.slow
def test_two_processes_share_an_average_and_its_lessons(tmp_path: Path) -> None:
    """What is kept is the average, with the first process's running statistics."""
    run = tmp_path / "run"
    options = ("--labels", "8", "--tasks.options.consistency.threshold", "0.5")
    line = ("train", "unet-semi", *TINY, *options, "--steps", "4", "--devices", "2", "--out", run)
    process(*line, "--training.validate_every", "2").succeeded()
    rows = runs.history(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["train/consistency/confident"]) == 1 for row in rows)
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    assert after["segmentation/iou"] == before["segmentation/iou"]
