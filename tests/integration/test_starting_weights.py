"""``--weights RUN``, a frozen encoder, and U-Net presets through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from . import runs
from .command import TINY, Outcome, auxseg


@pytest.fixture(scope="module")
def unet(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of unet-3task. Read only."""
    run = tmp_path_factory.mktemp("unet") / "run"
    auxseg("train", "unet-3task", "--out", run, *TINY, "--epochs", "1").succeeded()
    return run


def train(preset: str, run: Path, *options: str | Path) -> Outcome:
    return auxseg("train", preset, "--out", run, *TINY, "--epochs", "1", *options)


def test_the_unet_presets_start_from_their_recipe(unet: Path) -> None:
    config = runs.config(unet)
    assert config["model"]["encoder"] == "efficientnet-lite0"
    assert config["training"]["lr"] == pytest.approx(3e-3)
    assert config["tasks"]["options"]["segmentation"] == {"loss": "ce+dice"}


def test_without_weights_the_encoder_learns_as_fast_as_the_rest(unet: Path) -> None:
    config = runs.config(unet)
    assert config["model"]["weights"] == "none"
    assert config["training"]["encoder_lr"] == pytest.approx(1.0)
    assert not config["model"]["freeze_norms"]


def test_with_weights_the_encoder_learns_and_keeps_its_statistics(
    unet: Path, tmp_path: Path
) -> None:
    train("unet-3task", tmp_path / "run", "--weights", unet).succeeded()
    before, after = runs.best(unet), runs.best(tmp_path / "run")
    for name, value in before.items():
        if name.startswith("encoder."):
            kept = "running" in name or "num_batches" in name
            assert torch.equal(after[name], value) == kept, name


def test_options_of_another_task_leave_the_recipe_alone(tmp_path: Path) -> None:
    options = ("--tasks.options", "{bbox: {scale: 5}}")
    train("unet-3task", tmp_path / "run", *options).succeeded()
    found = runs.config(tmp_path / "run")["tasks"]["options"]
    assert found == {"segmentation": {"loss": "ce+dice"}, "bbox": {"scale": 5}}


def test_another_run_s_network_is_the_start(unet: Path, tmp_path: Path) -> None:
    """With a rate of next to nothing the weights stay what they were."""
    run = tmp_path / "run"
    outcome = train("unet-3task", run, "--weights", unet, "--training.lr", "1e-12")
    assert "drawn" not in outcome.succeeded().err
    before, after = runs.best(unet), runs.best(run)
    for name, value in before.items():
        if name.endswith("weight") and value.ndim == 4:
            assert float((after[name] - value).abs().max()) < 1e-6, name


def test_what_does_not_fit_is_named(unet: Path, tmp_path: Path) -> None:
    outcome = train("mtan-unet-3task", tmp_path / "run", "--weights", unet).succeeded()
    (line,) = (line for line in outcome.err.splitlines() if str(unet) in line)
    assert "attention.bbox" in line
    assert "outer.0" in line
    assert "encoder" not in line.removeprefix(str(unet))


def test_a_run_of_another_encoder_is_refused(unet: Path, tmp_path: Path) -> None:
    train("segnet-3task", tmp_path / "run", "--weights", unet).failed(1, str(unet), "encoder")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    outcome = train("unet-1task", tmp_path / "run", "--weights", tmp_path / "folder")
    outcome.failed(1, str(tmp_path / "folder"), "config.yaml")


def test_a_frozen_encoder_stays_as_it_was(unet: Path, tmp_path: Path) -> None:
    """Weights and batch statistics, to the last bit; the decoder learns."""
    run = tmp_path / "run"
    train("unet-1task", run, "--weights", unet, "--model.freeze", "true").succeeded()
    before, after = runs.best(unet), runs.best(run)
    for name, value in after.items():
        if name.startswith("encoder."):
            assert bool((before[name] == value).all()), name
    moved = [name for name in after if name.startswith("decoders.") and name.endswith("0.weight")]
    assert moved
    assert not any(bool((before[name] == after[name]).all()) for name in moved)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model.decoder", "segnet"), ("model.decoder", "segnet", "unet")),
        (("--model.architecture", "mtan-full"), ("mtan-full", "pooling indices", "mtan")),
        (("--model.columns", "[segmentation]"), ("model.columns", "progressive")),
        (("--encoder", "vgg19"), ("model.encoder", "'vgg19'", "efficientnet-lite0")),
    ],
)
def test_combinations_that_cannot_be(
    options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    train("unet-3task", tmp_path / "run", *options).failed(2, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("progressive-2task", ("--balancer", "pcgrad")),
        ("progressive-2task", ("--training.conflict_every", "2")),
        ("unet-3task", ("--balancer", "mgda", "--model.freeze", "true")),
    ],
)
def test_gradients_are_not_compared_where_nothing_is_shared(
    preset: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    train(preset, tmp_path / "run", *options).failed(2, "share", options[0].removeprefix("--"))
    assert not (tmp_path / "run").exists()


def test_columns_that_do_not_name_every_task(tmp_path: Path) -> None:
    options = ("--model.columns", "[segmentation,bbox]")
    train("progressive-2task", tmp_path / "run", *options).failed(2, "model.columns", "each of")
