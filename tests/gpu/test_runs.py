"""Whole runs on a GPU: repeated, stopped and resumed, used on a CPU, exported."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

import auxseg
from auxseg.balancing import BALANCERS
from auxseg.balancing.gradients import TorchJDBalancer
from integration import runs
from integration.command import auxseg as command
from stopped import stopped_at
from tiny_run import with_both_classes

OPTIONS = {
    "data": "shapes",
    "weights": "none",
    "epochs": 3,
    "accelerator": "gpu",
    "image_size": 32,
    "data.options": {"train": 60, "val": 16, "test": 8},
    "data.num_workers": 2,
}
#: Single and 16 bits, with what is best on GPUs.
FORMATS = {
    "32": {},
    "bf16": {"precision": "bf16-mixed", "training.channels_last": True},
    "16": {"precision": "16-mixed"},
}


@pytest.mark.parametrize("numbers", FORMATS)
@pytest.mark.parametrize("preset", ["mtan-3task", "unet-semi"])
def test_stopped_and_resumed(preset: str, numbers: str, tmp_path: Path) -> None:
    """Within an epoch: the same as without a stop, to the last bit."""
    options = OPTIONS | FORMATS[numbers] | {"training.checkpoint_every": 2}
    options |= {"width": 0.05} if preset == "mtan-3task" else {"labels": 30}
    straight, run = tmp_path / "straight", tmp_path / "run"
    auxseg.train(preset, out=straight, **options)
    with stopped_at(1, 3):
        auxseg.train(preset, out=run, **options)
    auxseg.train(preset, out=run, resume=True)
    rows = [runs.history(one) for one in (straight, run)]
    for one in rows:
        assert all(float(row.pop("peak_memory_mib")) > 0 for row in one)
    assert runs.without_seconds(rows[0]) == runs.without_seconds(rows[1])
    assert runs.identical(runs.best(run), runs.best(straight))
    assert runs.identical(runs.last(run), runs.last(straight))


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_trains(name: str, tmp_path: Path) -> None:
    """Two epochs, at whose end some of them think."""
    if issubclass(BALANCERS[name], TorchJDBalancer):
        pytest.importorskip("torchjd")
    if name == "cagrad":
        pytest.importorskip("cvxpy")
    options = OPTIONS | {"epochs": 2, "data.num_workers": 0, "width": 0.05}
    auxseg.train("segnet-3task", out=tmp_path / "run", balancer=name, **options)
    losses = [float(row["train/loss"]) for row in runs.history(tmp_path / "run")]
    assert len(losses) == 2
    assert np.isfinite(losses).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a GPU that finds both classes in the photo of :func:`photo`."""
    out = tmp_path_factory.mktemp("gpu") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_CACHE", str(tmp_path_factory.getbasetemp() / "auxseg-cache"))
        auxseg.train("mtan-3task", out=out, width=0.05, **OPTIONS)
    return with_both_classes(out, photo())


def photo() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.resize(noise, (300, 200), interpolation=cv2.INTER_CUBIC)


def test_both_processors_find_the_same(run: Path) -> None:
    on_gpu, on_cpu = (auxseg.load(run, where).predict(photo()) for where in ("gpu", "cpu"))
    assert set(np.unique(on_cpu.mask)) == {0, 1}
    assert (on_gpu.mask != on_cpu.mask).mean() < 0.001
    np.testing.assert_allclose(on_gpu.box, on_cpu.box, atol=0.5)  # pixels


@pytest.mark.parametrize("form", ["pt2", "onnx"])
@pytest.mark.parametrize("given", ["photo", "picture"])
def test_exported_files_run_on_either(run: Path, form: str, given: str, tmp_path: Path) -> None:
    file = tmp_path / f"network.{form}"
    _export(run, file, "--input", given)
    wanted = auxseg.load(run, "cpu").predict(photo()).mask
    if form == "onnx" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        places = ["cpu"]
    else:
        places = ["cpu", "gpu"]
    for where in places:
        found = auxseg.load(file, where).predict(photo()).mask
        assert (found != wanted).mean() < 0.001


def _export(run: Path, file: Path, *options: str) -> None:
    form = "torch" if file.suffix == ".pt2" else "onnx"
    command("export", run, "--out", file, "--format", form, *options).succeeded()


def test_an_exported_program_takes_photos_on_the_gpu(run: Path, tmp_path: Path) -> None:
    """The file as its user runs it, without auxseg."""
    file = tmp_path / "photos.pt2"
    _export(run, file, "--tasks", "segmentation,classification,bbox")
    module = torch.export.load(file).module()
    pixels = torch.from_numpy(photo())[None]
    wanted = module(pixels)
    moved = torch.export.passes.move_to_device_pass(torch.export.load(file), "cuda").module()
    found = moved(pixels.cuda())
    assert set(found) == set(wanted)
    for name, one in found.items():
        assert one.device.type == "cuda"
        if one.is_floating_point():
            torch.testing.assert_close(one.cpu(), wanted[name], atol=0.02, rtol=0.01)
        else:
            assert (one.cpu() != wanted[name]).float().mean() < 0.001


def test_evaluate_and_predict_from_the_command_line(run: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), photo()[..., ::-1])
    command("evaluate", run, "--accelerator", "gpu").succeeded()
    command(
        "predict", run, tmp_path / "photo.png", "--out", tmp_path / "out", "--accelerator", "gpu"
    ).succeeded()
    assert list((tmp_path / "out").rglob("*.png"))
