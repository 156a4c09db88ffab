"""``auxseg fit``: from a folder to a model, a verdict and a report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import auxseg as package
from auxseg.errors import DataError
from auxseg.experiments.fit import fit as module
from auxseg.experiments.fit.probe import Probed
from auxseg.runs.directory import RunDirectory

from . import photos, runs
from .command import Outcome, auxseg

pytest.importorskip("onnxruntime")

#: The rest is chosen by the verb.
TINY = (
    *("--width", "0.05", "--weights", "none", "--image-size", "32", "--accelerator", "cpu"),
    *("--minutes", "2", "--training.precision", "32-true"),
)


@pytest.fixture(scope="module")
def fitted(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Outcome]:
    """The folder, the run, and what was said. Copy before writing to it."""
    root = photos.folder(tmp_path_factory.mktemp("fit") / "photos", count=12)
    run = root.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        # A machine of always the same speed: 10 ms a step.
        patch.setattr(module, "probe", lambda config: Probed(0.01, 0.01, 0.5))
        patch.setattr("auxseg.experiments.fit.plan.ENOUGH_STEPS", 40)
        patch.setattr("auxseg.experiments.fit.plan.MOST_PASSES", 1)
        outcome = auxseg("fit", root, *TINY, "--out", run).succeeded()
    return root, run, outcome


def test_it_says_what_it_does_and_what_came_out(fitted: tuple[Path, Path, Outcome]) -> None:
    _, run, outcome = fitted
    lines = outcome.out.splitlines()
    opening = next(line for line in lines if line.startswith("unet-1task on cpu"))
    assert "12 photos, 12 masks" in opening
    assert "32 × 32 pixels, 40 steps of 8" in opening
    assert any(line.startswith("The masks agree with yours") for line in lines)
    assert any(line.startswith("What would help most:") for line in lines)
    assert lines[-1] == f"next: auxseg predict {run} NEW_PHOTOS --out predictions"
    assert (run / "report" / "report.html").stat().st_size > 10_000
    assert "What would help most:" in (run / "summary.md").read_text(encoding="utf-8")
    config, _ = RunDirectory(run).read_config()
    assert (config.training.steps, config.training.validate_every) == (40, 4)
    assert config.training.channels_last


def test_the_figure_is_that_of_evaluate(fitted: tuple[Path, Path, Outcome]) -> None:
    """At the photos' own size, on the part that was held back: of so few masks, val."""
    _, run, outcome = fitted
    told = json.loads((run / "metrics-val-native.json").read_text())["segmentation/iou"]
    assert f"IoU {told:.3f} (" in outcome.out
    before = runs.snapshot(run)["metrics-val-native.json"]
    auxseg("evaluate", run, "--split", "val", "--native").succeeded()
    assert runs.snapshot(run)["metrics-val-native.json"][0] == before[0]


def test_the_exported_model_predicts(fitted: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    root, run, _ = fitted
    for network, out in ((run / "model.onnx", "a"), (run, "b")):
        line = ("predict", network, root / "images" / "03.jpg", "--out", tmp_path / out)
        auxseg(*line).succeeded()
    one, other = (np.asarray(Image.open(tmp_path / out / "03_mask.png")) for out in "ab")
    assert (one != other).mean() < 0.01


def test_again_trains_nothing_more(fitted: tuple[Path, Path, Outcome]) -> None:
    root, run, _ = fitted
    weights = (run / "checkpoints" / "best.safetensors").read_bytes()
    outcome = auxseg("fit", root, *TINY, "--out", run).succeeded()
    assert "goes on with what was chosen" in outcome.out
    assert "already finished" in outcome.out
    assert (run / "checkpoints" / "best.safetensors").read_bytes() == weights


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=4)
    auxseg("fit", root, "--minutes", "0", "--out", tmp_path / "run").failed(2, "--minutes")
    auxseg("fit", tmp_path / "gone", "--out", tmp_path / "run").failed(1, "gone")
    line = ("fit", root, "--training.epochs", "3", "--out", tmp_path / "run")
    auxseg(*line).failed(2, "training.epochs")
    (root / "masks" / "00.png").write_bytes(b"no mask")
    auxseg("fit", root, "--out", tmp_path / "run").failed(1, "00.png", "auxseg data check")
    with pytest.raises(DataError, match=f"the data lie in {root}"):
        package.fit(tmp_path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_the_time_is_measured_here(tmp_path: Path) -> None:
    """A real probe; half a minute is too short for more than a few steps."""
    root = photos.folder(tmp_path / "photos", count=12)
    line = ("fit", root, *TINY, "--minutes", "0.5", "--out", tmp_path / "run")
    outcome = auxseg(*line).succeeded()
    assert "announced" in outcome.out
    rows = RunDirectory(tmp_path / "run").read_history()
    assert 1 <= len(rows) <= 10
