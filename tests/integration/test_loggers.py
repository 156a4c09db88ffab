"""Where training is followed: Lightning's loggers, pictures and options in TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from auxseg.config import LOGGERS
from auxseg.training import loggers

from . import runs
from .command import TINY, auxseg


def test_every_name_has_a_logger() -> None:
    assert tuple(loggers.LOGGERS) == LOGGERS


def events(run: Path) -> EventAccumulator:
    found = EventAccumulator(str(run), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    return found


def test_tensorboard_and_csv(cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-3task", *TINY, "--epochs", "2", "--out", run)
    auxseg(*line, "--logger", "tensorboard,csv", "--training.log_images", "2").succeeded()
    found = events(run)
    pictures = found.Images("val/photo, truth, prediction")
    assert [picture.step for picture in pictures] == [1, 2]
    # Two rows of three pictures of 32 pixels, with an edge of 4.
    assert {(picture.height, picture.width) for picture in pictures} == {(72, 108)}
    assert pictures[0].encoded_image_string != pictures[1].encoded_image_string
    scalars = {tag: found.Scalars(tag) for tag in found.Tags()["scalars"]}
    iou = [float(row["val/segmentation/iou"]) for row in runs.history(run)]
    assert [one.value for one in scalars["val/segmentation/iou"]] == pytest.approx(iou, rel=1e-4)
    assert scalars["best/segmentation/iou"][0].value == pytest.approx(max(iou), rel=1e-4)
    with (run / "csv" / "version_0" / "metrics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["val/segmentation/iou"]]
    assert [float(row["val/segmentation/iou"]) for row in rows] == pytest.approx(iou, rel=1e-4)
    text = (run / "csv" / "version_0" / "hparams.yaml").read_text()
    assert "segnet-3task" in text
    assert "training.lr" in text


def test_the_truth_is_shown_whatever_masks_training_sees(cache: Path, tmp_path: Path) -> None:
    for labels in ((), ("--labels", "5")):
        run = tmp_path / str(len(labels))
        line = ("train", "segnet-1task", *TINY, "--epochs", "1", "--out", run)
        auxseg(*line, *labels).succeeded()
    truth = []
    for run in (tmp_path / "0", tmp_path / "2"):
        (picture,) = events(run).Images("val/photo, truth, prediction")
        with Image.open(io.BytesIO(picture.encoded_image_string)) as image:
            truth.append(np.array(image)[:, 36:72])
    np.testing.assert_array_equal(*truth)


def test_pictures_change_nothing(cache: Path, tmp_path: Path) -> None:
    for count in (0, 3):
        line = ("train", "segnet-3task", *TINY, "--epochs", "2", "--out", tmp_path / str(count))
        auxseg(*line, "--training.log_images", str(count)).succeeded()
    assert events(tmp_path / "0").Tags()["images"] == []
    without, with_pictures = (runs.best(tmp_path / name) for name in ("0", "3"))
    assert runs.identical(without, with_pictures)
    one, other = (runs.without_seconds(runs.history(tmp_path / name)) for name in ("0", "3"))
    assert one == other


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_package_is_one_line(name: str, cache: Path, tmp_path: Path) -> None:
    try:
        __import__(name)
    except ImportError:
        line = ("train", "segnet-1task", *TINY, "--out", tmp_path / "run", "--logger", name)
        auxseg(*line).failed(2, "training.logger", f"pip install {name}")
        assert not (tmp_path / "run").exists()
    else:
        pytest.skip(f"{name} is installed")


def test_an_unknown_logger(tmp_path: Path) -> None:
    line = ("train", "segnet-1task", *TINY, "--out", tmp_path / "run", "--logger", "paper")
    auxseg(*line).failed(2, "'paper'", "tensorboard, csv, mlflow, wandb")
    assert not (tmp_path / "run").exists()
