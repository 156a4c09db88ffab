"""``auxseg evaluate``: the numbers of training again, on any part, from the run alone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from auxseg.assembly import Prepare
from auxseg.runs.confusion import read_confusion

from . import photos, runs
from .command import TINY_MODEL, auxseg

TASKS = ("segmentation", "classification", "bbox")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run, to write into."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_validation_gives_the_numbers_of_training(run: Path) -> None:
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    for key in runs.documented_keys(TASKS):
        assert after[key] == pytest.approx(before[key], abs=1e-6, rel=1e-6), key


def test_validation_leaves_no_key_out(run: Path) -> None:
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    assert runs.metrics(run, "val").keys() == before.keys()


@pytest.mark.parametrize("split", ["train", "test"])
def test_other_parts(split: str, run: Path) -> None:
    outcome = auxseg("evaluate", run, "--split", split).succeeded()
    metrics = runs.metrics(run, split)
    assert metrics.keys() == runs.documented_keys(TASKS)
    assert all(key.removesuffix("_per_class") in outcome.out for key in metrics)
    assert metrics["segmentation/iou"] == pytest.approx(
        sum(metrics["segmentation/iou_per_class"]) / 2
    )


def test_what_is_taken_for_what(run: Path) -> None:
    outcome = auxseg("evaluate", run).succeeded()
    confusion = read_confusion(run / "confusion-segmentation-test.csv")
    assert confusion is not None
    assert confusion.classes == ("background", "animal")
    hits, support = confusion.counts.diagonal(), confusion.support
    union = support + confusion.counts.sum(axis=0) - hits
    metrics = runs.metrics(run, "test")
    assert metrics["segmentation/iou_per_class"] == pytest.approx([*(hits / union)])
    assert metrics["segmentation/pixel_accuracy"] == pytest.approx(hits.sum() / support.sum())
    assert f"{support[1] / support.sum():.2%}" in outcome.out
    of_images = read_confusion(run / "confusion-classification-test.csv")
    assert of_images is not None
    accuracy = of_images.counts.diagonal().sum() / of_images.counts.sum()
    assert metrics["classification/accuracy"] == pytest.approx(accuracy)


def test_test_images_are_the_default(run: Path) -> None:
    auxseg("evaluate", run).succeeded()
    first = runs.metrics(run, "test")
    auxseg("evaluate", run, "--split", "test").succeeded()
    assert runs.metrics(run, "test") == first


def test_a_loader_process_that_ends_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Prepare.__call__

    def killed(self: Prepare, images: Any) -> Any:
        if multiprocessing.parent_process() is not None:
            os._exit(1)  # as the out-of-memory killer does
        return whole(self, images)

    monkeypatch.setattr(Prepare, "__call__", killed)
    outcome = auxseg("evaluate", run, "--split", "val", "--num-workers", "1")
    outcome.failed(1, "a loader process ended", "--data.num_workers 0")
    auxseg("evaluate", run, "--split", "val", "--data.num_workers", "0").succeeded()


def test_the_table_names_the_classes(run: Path) -> None:
    lines = auxseg("evaluate", run).succeeded().out.splitlines()
    iou = runs.metrics(run, "test")["segmentation/iou_per_class"]
    for name, value in zip(("background", "animal"), iou, strict=True):
        (row,) = (line for line in lines if line.startswith(f"| {name} "))
        assert f"{value:.3f}" in row


def test_nothing_but_the_metrics_is_written(run: Path) -> None:
    before = runs.snapshot(run)
    auxseg("evaluate", run).succeeded()
    after = runs.snapshot(run)
    new = (
        after.keys()
        - before.keys()
        - {
            *("metrics-test.json", "images-test.csv"),
            *("confusion-segmentation-test.csv", "confusion-classification-test.csv"),
        }
    )
    assert all("events.out.tfevents" in name for name in new)
    assert {name: after[name] for name in before} == before


def test_data_that_moved(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=10)
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    run = tmp_path / "run"
    auxseg(*line, "--split", "stratified", "--epochs", "1", "--out", run).succeeded()
    auxseg("evaluate", run).succeeded()
    here = runs.metrics(run, "test")
    root.rename(tmp_path / "moved")
    auxseg("evaluate", run).failed(1, str(root))
    auxseg("evaluate", run, "--root", tmp_path / "moved").succeeded()
    assert runs.metrics(run, "test") == here


def test_data_with_other_classes(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=10)
    other = photos.folder(tmp_path / "other", count=10)
    (other / "classes.txt").write_text("sky\ndisc\nsea\n")
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--epochs", "1", "--out", tmp_path / "run").succeeded()
    auxseg("evaluate", tmp_path / "run", "--root", other).failed(2, "folder", "sea")


def test_an_unknown_part(run: Path) -> None:
    before = runs.snapshot(run)
    auxseg("evaluate", run, "--split", "training").failed(2, "'training'", "train, val, test")
    assert runs.snapshot(run) == before


def test_no_run(tmp_path: Path) -> None:
    auxseg("evaluate", tmp_path).failed(1, str(tmp_path), "config.yaml")


def test_a_run_without_a_complete_epoch(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    auxseg("evaluate", run).failed(1, str(run), "no weights yet")


def test_damaged_weights(run: Path) -> None:
    weights = run / "checkpoints" / "best.safetensors"
    photos.truncate(weights)
    auxseg("evaluate", run).failed(1, str(weights), "damaged")
