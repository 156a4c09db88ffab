"""A run over an encoder of timm, from the command line: trained once, then without a network."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from safetensors.torch import save_file

from integration import photos
from integration.command import auxseg
from integration.runs import config

timm = pytest.importorskip("timm", reason="timm does not import")

OPTIONS = (
    *("unet-1task", "--encoder", "timm:resnet18", "--data.options", "{train: 20, val: 8, test: 8}"),
    *("--image-size", "64", "--epochs", "1", "--accelerator", "cpu"),
)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def trained(
    patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A run from weights that timm serves, and what was said; from then on nothing is served."""
    folder = tmp_path_factory.mktemp("timm")
    patch.setenv("AUXSEG_CACHE", str(folder / "cache"))
    path, create = folder / "published.safetensors", timm.create_model
    torch.manual_seed(7)
    save_file(create("resnet18").state_dict(), path)

    def served(name: str, pretrained: bool = False, **options: Any) -> Any:
        overlay = {"file": str(path)} if pretrained else None
        return create(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **options)

    def offline(name: str, pretrained: bool = False, **options: Any) -> Any:
        assert not pretrained
        return create(name, **options)

    def no_network(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked the network")

    patch.setattr(timm, "create_model", served)
    outcome = auxseg("train", *OPTIONS, "--out", folder / "run").succeeded()
    patch.setattr(timm, "create_model", offline)
    patch.setattr(socket.socket, "connect", no_network)
    patch.setattr(socket, "getaddrinfo", no_network)
    return folder / "run", outcome.err


def test_the_licence_is_said_and_kept(trained: tuple[Path, str]) -> None:
    run, said = trained
    assert said.count("timm:resnet18: licence apache-2.0") == 1
    assert config(run)["weights_licence"] == "apache-2.0"


def test_a_run_from_scratch_names_no_licence(tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = auxseg("train", *OPTIONS, "--weights", "none", "--out", run).succeeded()
    assert "licence" not in outcome.err
    assert "weights_licence" not in config(run)


def test_a_run_is_read_without_a_network(trained: tuple[Path, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    auxseg("evaluate", run).succeeded()
    photos.write(tmp_path / "photo.jpg", photos.photo(0, 90, 50))
    auxseg("predict", run, tmp_path / "photo.jpg", "--out", tmp_path / "masks").succeeded()
    assert (tmp_path / "masks" / "photo_mask.png").is_file()
    (run / "metrics-val.json").unlink()
    auxseg("train", *OPTIONS, "--out", run, "--resume").succeeded()
    assert (run / "metrics-val.json").is_file()
    assert config(run)["weights_licence"] == "apache-2.0"


def test_an_exported_file_names_encoder_and_licence(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    file = tmp_path / "file.onnx"
    auxseg("export", trained[0], "--out", file).succeeded()
    (entry,) = onnx.load(file).metadata_props
    said = json.loads(entry.value)
    assert (said["encoder"], said["weights_licence"]) == ("timm:resnet18", "apache-2.0")


def test_published_weights_without_a_network_are_one_line(
    trained: tuple[Path, str], patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create = timm.create_model

    def unreachable(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no network")
        return create(name, **options)

    patch.setattr(timm, "create_model", unreachable)
    outcome = auxseg("train", *OPTIONS, "--out", tmp_path / "run")
    outcome.failed(1, "timm:resnet18", "no network", "--weights")
    patch.setattr(timm, "create_model", create)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_width_is_refused_in_one_line(tmp_path: Path) -> None:
    outcome = auxseg("train", *OPTIONS, "--width", "0.5", "--out", tmp_path / "run")
    outcome.failed(2, "model.width", "timm:resnet18")
