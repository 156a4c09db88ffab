"""The whole program on real photos (skipped where ``../shared`` is missing)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from . import runs
from .command import auxseg


@pytest.fixture
def pets(shared: Path) -> Path:
    """399 real images of Oxford-IIIT Pet, 3 breeds, 296 with a box."""
    return shared / "data" / "oxford-iiit-pet"


def pet_options(pets: Path, size: int) -> tuple[str | Path, ...]:
    return ("--data", "oxford-pet", "--root", pets, "--image-size", str(size))


@pytest.mark.parametrize(
    ("split", "parts"),
    [("official", (240, 60, 99)), ("paper", (177, 59, 60)), ("stratified", (239, 80, 80))],
)
def test_splits(split: str, parts: tuple[int, int, int], pets: Path) -> None:
    outcome = auxseg("data", "prepare", *pet_options(pets, 48), "--split", split).succeeded()
    train, val, test = parts
    assert f"399 images at 48×48 (train {train}, val {val}, test {test})" in outcome.out


def test_an_unknown_split(pets: Path) -> None:
    line = ("data", "prepare", *pet_options(pets, 48), "--split", "random")
    auxseg(*line).failed(2, "split", "'random'", "official, paper, stratified")


def test_check(pets: Path) -> None:
    lines = auxseg("data", "check", pets).succeeded().out.splitlines()
    assert {"images: 399", "readable: 399", "with mask: 399", "with box: 296"} <= set(lines)
    assert lines[-2] == "no problems"
    assert lines[-1].startswith("next: auxseg fit ")


@pytest.mark.slow
def test_train_evaluate_predict(pets: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    small = ("--width", "0.125", "--weights", "none", "--limit", "20", "--epochs", "1")
    line = ("train", "mtan-3task", *pet_options(pets, 48), *small, "--accelerator", "cpu")
    auxseg(*line, "--out", run).succeeded()
    auxseg("evaluate", run, "--split", "test").succeeded()
    # The official test list has no boxes.
    assert runs.metrics(run, "test")["bbox/l2"] is None
    assert runs.metrics(run, "val")["bbox/l2"] > 0
    photo = sorted((pets / "images").glob("*.jpg"))[0]
    auxseg("predict", run, photo, "--out", out).succeeded()
    with Image.open(photo) as original, Image.open(out / f"{photo.stem}_mask.png") as mask:
        assert mask.size == original.size
        assert set(np.unique(np.array(mask))) <= {0, 1}


@pytest.mark.slow
def test_imagenet_weights(shared: Path, pets: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "vgg16_features_imagenet_fp16.safetensors"
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *pet_options(pets, 32), "--weights", weights)
    auxseg(*line, "--limit", "5", "--epochs", "1", "--accelerator", "cpu", "--out", run).succeeded()
    assert runs.config(run)["model"]["weights"] == str(weights)
    assert runs.metrics(run, "val")["segmentation/iou"] > 0
