"""Boundary, distance, rotation and inpainting, with few masks: on the real command line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytorch_lightning import LightningModule, Trainer

from auxseg.training.callbacks import Keeper

from . import photos, runs
from .command import TINY, auxseg

FURTHER = ("boundary", "distance", "rotation", "inpainting")
TASKS = ("segmentation", *FURTHER)
LINE = (
    *("train", "segnet-1task", *TINY, "--epochs", "2", "--labels", "10"),
    *("--tasks.names", ",".join(TASKS), "--views", "per-task"),
)
REFERENCE = {"inpainting/input_psnr"}


class StoppedError(Exception):
    """Stands for a kill, inside this process."""


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with ten masks. Copy before writing to it."""
    found = tmp_path_factory.mktemp("further") / "run"
    auxseg(*LINE, "--out", found).succeeded()
    return found


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_they_learn_together(run: Path) -> None:
    metrics = runs.metrics(run, "val")
    documented = runs.documented_keys(TASKS) | REFERENCE
    losses = {f"{task}/loss" for task in TASKS} | {"loss"}
    assert documented <= metrics.keys() <= documented | losses
    for key in documented - {"segmentation/iou_per_class", "boundary/f1"}:
        assert math.isfinite(metrics[key]), key
    for row in runs.history(run):
        for task in TASKS:
            assert float(row[f"train/{task}/loss"]) > 0
    assert runs.config(run)["images"]["masks"] == 10


def _stop_in_second_epoch(
    keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
) -> None:
    if (trainer.current_epoch, batch_idx) == (1, 1):
        raise StoppedError


def test_stopped_and_resumed_it_ends_as_if_nobody_had_stopped_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns and patches depend on seed, epoch and image alone."""
    other = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", _stop_in_second_epoch)
        with pytest.raises(StoppedError):
            auxseg(*LINE, "--out", other)
    auxseg(*LINE, "--out", other, "--resume").succeeded()
    assert runs.without_seconds(runs.history(other)) == runs.without_seconds(runs.history(run))
    assert runs.identical(runs.best(other), runs.best(run))
    assert runs.identical(runs.last(other), runs.last(run))


@pytest.mark.parametrize("balancer", ["dwa", "famo", "uncertainty", "pcgrad", "graddrop"])
def test_a_balancer_of_each_kind_takes_them(balancer: str, cache: Path, tmp_path: Path) -> None:
    """By former epochs, with a look back, with learned numbers, by gradients."""
    other = tmp_path / "run"
    auxseg(*LINE, "--epochs", "1", "--balancer", balancer, "--out", other).succeeded()
    with (other / "steps.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for task in TASKS:
        found = [row[f"{task}/loss"] for row in rows]
        assert all(math.isfinite(float(loss)) for loss in found if loss), task
        assert any(found), task


def test_evaluating_gives_the_numbers_of_training(run: Path) -> None:
    before = runs.metrics(run, "val")
    outcome = auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    for key in runs.documented_keys(TASKS) | REFERENCE:
        assert after[key] == pytest.approx(before[key], abs=1e-5, rel=1e-5), key
        assert key.removesuffix("_per_class") in outcome.out


def test_every_task_s_picture_is_written(run: Path, tmp_path: Path) -> None:
    photos.write(tmp_path / "in" / "wide.jpg", photos.photo(0, 90, 50))
    photos.write(tmp_path / "in" / "tall.png", photos.photo(1, 33, 71))
    out = tmp_path / "out"
    auxseg("predict", run, tmp_path / "in", "--out", out).succeeded()
    kinds = ("mask", "overlay", *FURTHER)
    names = {f"{stem}_{kind}.png" for stem in ("wide", "tall") for kind in kinds}
    tables = {"predictions.json", "areas.csv", ".predicted.jsonl"}
    assert {path.name for path in out.iterdir()} == names | tables
    for stem, shape in (("wide", (50, 90, 3)), ("tall", (71, 33, 3))):
        for task in FURTHER:
            found = picture(out / f"{stem}_{task}.png")
            assert (found.shape, found.dtype) == (shape, np.uint8), task


def test_predicting_twice_is_the_same(run: Path, tmp_path: Path) -> None:
    path = photos.write(tmp_path / "cat.png", photos.photo(0))
    for name in "ab":
        auxseg("predict", run, path, "--out", tmp_path / name).succeeded()
    a, b = (
        {file.name: file.read_bytes() for file in sorted((tmp_path / name).iterdir())}
        for name in "ab"
    )
    assert a == b


@pytest.mark.thorough
def test_the_report_has_a_row_and_pictures_of_each(run: Path, tmp_path: Path) -> None:
    auxseg("report", run, "--out", tmp_path / "page").succeeded()
    with (tmp_path / "page" / "table1.csv").open(newline="", encoding="utf-8") as file:
        titles = [row[0] for row in csv.reader(file)]
    for title in ("boundary F1", "distance MAE", "rotation accuracy", "inpainting PSNR"):
        assert any(row.startswith(title) for row in titles), title
    figures = {path.stem for path in (tmp_path / "page" / "figures").iterdir()}
    assert "fig2-inputs" in figures


@pytest.mark.parametrize(
    ("names", "format"),
    [
        pytest.param(
            ("segmentation", "distance", "rotation", "inpainting"), "onnx", marks=pytest.mark.slow
        ),
        (("rotation", "inpainting"), "torch"),
    ],
)
@pytest.mark.thorough
def test_exported_they_answer_as_the_run_does(
    names: tuple[str, ...], format: str, run: Path, tmp_path: Path
) -> None:
    file = tmp_path / ("net.onnx" if format == "onnx" else "net.pt2")
    line = ("export", run, "--tasks", ",".join(names), "--format", format, "--out", file)
    auxseg(*line).succeeded()
    path = photos.write(tmp_path / "cat.png", photos.photo(0))
    for source, out in ((file, "file"), (run, "run")):
        auxseg("predict", source, path, "--out", tmp_path / out).succeeded()
    written = {one.name for one in (tmp_path / "file").iterdir()}
    for name in set(names) - {"segmentation"}:
        assert f"cat_{name}.png" in written
        ours, theirs = (picture(tmp_path / out / f"cat_{name}.png") for out in ("file", "run"))
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("task", ["rotation", "inpainting"])
def test_what_they_are_shown_is_of_no_use_to_segmentation(task: str, tmp_path: Path) -> None:
    wrong = ("train", "segnet-1task", *TINY, "--tasks.names", f"segmentation,{task}")
    auxseg(*wrong, "--out", tmp_path / "run").failed(2, task, "--views per-task")
    assert not (tmp_path / "run").exists()
