"""A training that finds one class says so on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest

import auxseg as library
from auxseg.training.fit import train as fit

from . import runs
from .command import TINY, auxseg

#: A loss that knows one class only: after an epoch nothing else is predicted.
ONE_CLASS = ("--tasks.options.segmentation.class_weights", "[1, 0]", "--training.lr", "0.01")
BALANCED = ("--tasks.options.segmentation.class_weights", "balanced", "--training.lr", "0.01")


def said(err: str, start: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith(f"warning: {start}")]


def test_one_predicted_class_is_told_once_and_the_missed_ones_at_the_end(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *TINY, *ONE_CLASS, "--out", run)
    err = auxseg(*line, "--epochs", "4").succeeded().err
    assert runs.metrics(run, "val")["segmentation/iou_per_class"][1] == 0
    (during,) = said(err, "epoch")
    assert "segmentation predicts only background" in during
    (after,) = said(err, "best epoch")
    assert "animal (" in after

    # Resumed, it goes on where it was: what lasts is not said again.
    err = auxseg(*line, "--epochs", "6", "--resume").succeeded().err
    assert said(err, "epoch") == []
    assert len(said(err, "best epoch")) == 1


def test_a_training_that_finds_every_class_has_no_remarks(tmp_path: Path) -> None:
    line = ("train", "unet-1task", *TINY, *BALANCED, "--epochs", "4", "--out", tmp_path / "run")
    assert "warning" not in auxseg(*line).succeeded().err


def test_quiet_training_has_no_remarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = library.configure(
        "segnet-1task",
        image_size=32,
        width=0.05,
        weights="none",
        epochs=2,
        accelerator="cpu",
        **{
            "data.options": {"train": 20, "val": 8, "test": 8},
            "tasks.options.segmentation.class_weights": [1, 0],
            "training.lr": 0.01,
        },
    )
    result = fit(config, tmp_path / "run", quiet=True)
    assert result.metrics["segmentation/iou_per_class"][1] == 0
    assert capsys.readouterr().err == ""
