"""From Python: datasets and training loops of one's own, pictures for notebooks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import auxseg as package
from auxseg.config.presets import PRESETS

from . import photos
from .command import auxseg

TINY: dict[str, Any] = {
    "image_size": 32,
    "width": 0.05,
    "weights": "none",
    "accelerator": "cpu",
    "batch_size": 5,
}
CLASSES = ("background", "disc")


def discs(first: int, count: int) -> TensorDataset:
    numbers = range(first, first + count)
    images = np.stack([photos.photo(n) for n in numbers]).transpose(0, 3, 1, 2)
    masks = np.stack([photos.mask(n) for n in numbers])
    return TensorDataset(torch.from_numpy(images) / 255, torch.from_numpy(masks).long())


@pytest.fixture(scope="module")
def result(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two epochs on datasets of torch. Copy before writing to it."""
    data = package.TorchData(discs(0, 10), discs(10, 4), discs(14, 4), mask_classes=CLASSES)
    out = tmp_path_factory.mktemp("python") / "run"
    return package.train("segnet-1task", data=data, out=out, epochs=2, **TINY)


def test_a_dataset_of_ones_own_is_a_run_like_any_other(result: Any) -> None:
    """The command line finds the data again: they lie in a folder now."""
    outcome = auxseg("evaluate", result.run_dir, "--native").succeeded()
    assert "| disc" in outcome.out
    assert auxseg("report", result.run_dir, "--out", result.run_dir / "page").status == 0


def test_the_same_dataset_resumes_the_run(result: Any, tmp_path: Path) -> None:
    data = package.TorchData(discs(0, 10), discs(10, 4), discs(14, 4), mask_classes=CLASSES)
    line: dict[str, Any] = {"data": data, "epochs": 2, **TINY}
    again = package.train("segnet-1task", out=result.run_dir, resume=True, **line)
    assert again.metrics == result.metrics


def test_other_data_do_not_resume_the_run(result: Any) -> None:
    """The same images, divided otherwise: what was trained on would be validated on."""
    data = package.TorchData(discs(2, 10), discs(0, 2), discs(14, 4), mask_classes=CLASSES)
    line: dict[str, Any] = {"data": data, "epochs": 3, **TINY}
    with pytest.raises(package.UsageError, match=r"data: is not what .* was started with"):
        package.train("segnet-1task", out=result.run_dir, resume=True, **line)
    for key in ("root", "ignore_index"):
        with pytest.raises(package.UsageError, match=f"data.{key}: has no effect"):
            package.train("segnet-1task", data=data, out="nowhere", **{key: 3})


def test_the_result_shows_held_back_photos(result: Any) -> None:
    """A row a photo: the four of validation, or test, as photo, truth and prediction."""
    picture = np.asarray(result.show().convert("RGB"))
    height, width, _ = picture.shape
    assert height > width / 3 * 2
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


@pytest.mark.thorough
def test_a_dataset_of_ones_own_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As :mod:`test_fit_command`, whose folder is handed over as it is."""
    from auxseg.experiments.fit import fit as module
    from auxseg.experiments.fit.probe import Probed

    monkeypatch.setattr(module, "probe", lambda config: Probed(0.01, 0.01, 0.5))
    monkeypatch.setattr(module, "_lacking_to_export", lambda: "left out by the test")
    data = package.TorchData(discs(0, 12), mask_classes=CLASSES)
    fitted = package.fit(data, out=tmp_path / "run", minutes=1, steps=2, **TINY)
    assert fitted.part == "val"  # 12 masks: half of them validate, none is left to test on
    assert 0 <= fitted.iou.value <= 1
    assert min(fitted.show().size) > 100


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_presets_network_is_a_module_of_torch(preset: str) -> None:
    net = package.network(
        preset, mask_classes=3, label_classes=("a", "b"), width=0.05, weights="none"
    )
    assert isinstance(net, nn.Module)
    assert net.training
    first = next(one for one in net.modules() if isinstance(one, nn.Conv2d))
    images = torch.rand(2, first.in_channels, 40, 48)  # 1: lightness, of those that colorize
    outputs = net(images)
    assert outputs["segmentation"].shape == (2, 3, 40, 48)
    if "classification" in outputs:
        assert outputs["classification"].shape == (2, 2)
    sum(output.square().mean() for output in outputs.values()).backward()
    assert all(one.grad is not None for one in net.parameters() if one.requires_grad)


def test_a_trained_runs_network_goes_on(result: Any) -> None:
    """The weights of the run, and so its outputs."""
    net = package.network(
        "segnet-1task", mask_classes=CLASSES, width=0.05, weights=result.run_dir
    ).eval()
    own = package.load(result.run_dir).network.model.eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(net(images), own(images))


def test_weights_of_other_classes_are_told(result: Any, capsys: pytest.CaptureFixture[str]) -> None:
    other: dict[str, Any] = {"width": 0.05, "weights": result.run_dir}
    package.network("segnet-1task", mask_classes=("disc", "background"), **other)
    assert "are background, disc, and here they are disc, background" in capsys.readouterr().err


def test_what_a_network_cannot_be_made_of_is_one_line() -> None:
    with pytest.raises(package.UsageError, match="unknown preset"):
        package.network("resnet", mask_classes=2)
    with pytest.raises(package.DataError, match="classification"):
        package.network("segnet-3task", mask_classes=2, weights="none")
    with pytest.raises(package.UsageError, match="mask_classes: is a text"):
        package.network("segnet-1task", mask_classes="cat", weights="none")
    with pytest.raises(package.UsageError, match="heigth"):
        package.network("segnet-1task", mask_classes=2, heigth=3)


@pytest.mark.thorough
def test_training_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither the network in memory, nor SIGTERM with a handler that keeps the program from ending.

    In a program of its own: what other tests hold is not to count.
    """
    code = (
        "import gc, signal, auxseg\n"
        "from auxseg.training.module import MultiTaskModule\n"
        "before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]\n"
        "for n in range(2):\n"
        "    auxseg.train('segnet-1task', data='shapes', out=f'run-{n}', epochs=1, image_size=32,\n"
        "                 width=0.05, weights='none', accelerator='cpu',\n"
        "                 **{'data.options': {'train': 5, 'val': 2, 'test': 2}})\n"
        "after = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]\n"
        "gc.collect()\n"
        "assert before == after, after\n"
        "assert not [one for one in gc.get_objects() if type(one) is MultiTaskModule]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
