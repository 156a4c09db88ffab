"""What a user need not say: the preset, the data set's name; a configuration to start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from auxseg.runs.directory import RunDirectory

from . import photos
from .command import auxseg

TINY = (
    *("--image-size", "32", "--width", "0.05", "--weights", "none", "--steps", "2"),
    *("--accelerator", "cpu"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photos.folder(tmp_path / "my: photos", count=12)


def test_a_folder_is_trained_on_with_the_recommended_preset(root: Path, tmp_path: Path) -> None:
    auxseg("train", "--root", root, *TINY, "--out", tmp_path / "run").succeeded()
    config, _ = RunDirectory(tmp_path / "run").read_config()
    assert config.preset == "unet-1task"
    assert (config.data.name, config.data.root) == ("folder", str(root))
    line = ("train", "unet-1task", "--out", tmp_path / "run", "--resume")
    assert "already finished" in auxseg(*line).succeeded().out


def test_without_a_preset_and_a_folder(tmp_path: Path) -> None:
    auxseg("train", "--out", tmp_path / "run").failed(2, "preset", "--root")
    auxseg("train", "--root", tmp_path, "--out", tmp_path / "run").failed(1, "no known layout")


def test_the_configuration_that_init_writes_trains(root: Path, tmp_path: Path) -> None:
    """It names the preset, and every option in it is one; what the labels allow is in comments."""
    file = tmp_path / "own.yaml"
    outcome = auxseg("data", "init", root, "--out", file).succeeded()
    assert f"auxseg train --config {file}" in outcome.out
    text = file.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert content["data"]["root"] == str(root)
    assert content["tasks"]["names"] == ["segmentation"]
    assert "boundary: from" in text
    auxseg("train", "--config", file, *TINY, "--out", tmp_path / "run").succeeded()
    config, _ = RunDirectory(tmp_path / "run").read_config()
    assert config.preset == "unet-1task"
    assert config.tasks.options["segmentation"] == {"loss": "ce+dice"}  # the preset's recipe
    auxseg("data", "init", root, "--out", file).failed(1, str(file), "--out")
    other = ("train", "unet-3task", "--config", file, "--out", tmp_path / "other")
    auxseg(*other).failed(2, str(file), "unet-1task")


def test_init_stops_at_problems(root: Path, tmp_path: Path) -> None:
    (root / "masks" / "0.png").write_bytes(b"no mask")
    outcome = auxseg("data", "init", root, "--out", tmp_path / "own.yaml")
    outcome.failed(1, "0.png", "auxseg data check")
    assert not (tmp_path / "own.yaml").exists()
