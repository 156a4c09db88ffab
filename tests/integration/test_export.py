"""``auxseg export``, and ``auxseg predict`` on what it wrote."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import auxseg as package
from auxseg.export import formats
from auxseg.export.network import ShippedNetwork
from planted import Planted
from tiny_run import with_both_classes

from . import photos, runs
from .command import auxseg

TASKS = ("segmentation", "classification", "bbox")


@pytest.fixture(scope="module")
def decided(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run, with weights that find both classes."""
    run = tmp_path_factory.mktemp("decided") / trained.name
    return with_both_classes(Path(shutil.copytree(trained, run)), photos.photo(0, 90, 50))


@pytest.fixture(scope="module")
def all_tasks(decided: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file of all three tasks."""
    file = tmp_path_factory.mktemp("onnx") / "all.onnx"
    outcome = auxseg("export", decided, "--tasks", ",".join(TASKS), "--out", file).succeeded()
    assert outcome.err == ""
    waiting, first, second, third, following = outcome.out.splitlines()
    assert waiting.startswith("tracing the network")
    assert following == f"next: auxseg predict {file} PHOTOS --out predictions"
    assert "segmentation, classification, bbox" in first
    assert "parameters" in second
    assert "largest difference" in third
    assert list(file.parent.iterdir()) == [file]
    return file


@pytest.fixture(scope="module")
def program(decided: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch program of the primary task."""
    file = tmp_path_factory.mktemp("torch") / "segmentation.pt2"
    auxseg("export", decided, "--format", "torch", "--out", file).succeeded()
    return file


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "album"
    photos.write(folder / "wide.jpg", photos.photo(0, 90, 50))
    photos.write(folder / "tall.png", photos.photo(1, 33, 71))
    photos.write(folder / "large.webp", photos.photo(5, 200, 150))
    return folder


def metadata(file: Path) -> dict[str, Any]:
    """What a file says of itself, read without auxseg."""
    if file.suffix == ".onnx":
        (entry,) = onnx.load(file).metadata_props
        assert entry.key == "auxseg"
        return dict(json.loads(entry.value))
    extra = {"auxseg.json": ""}
    torch.export.load(file, extra_files=extra)
    return dict(json.loads(extra["auxseg.json"]))


def entries(out: Path) -> list[dict[str, Any]]:
    return list(json.loads((out / "predictions.json").read_text(encoding="utf-8")))


def test_a_file_predicts_what_its_run_predicts(
    decided: Path, all_tasks: Path, program: Path, album: Path, tmp_path: Path
) -> None:
    for name, source in {"run": decided, "onnx": all_tasks, "torch": program}.items():
        auxseg("predict", source, album, "--out", tmp_path / name).succeeded()
    for stem in ("wide", "tall", "large"):
        masks = {}
        for name in ("run", "onnx", "torch"):
            with Image.open(tmp_path / name / f"{stem}_mask.png") as picture:
                masks[name] = np.array(picture)
            assert (tmp_path / name / f"{stem}_overlay.png").is_file()
        assert 0.05 < masks["run"].mean() < 0.95
        # Rounding may tip a pixel whose classes are as good as equal.
        assert (masks["onnx"] != masks["run"]).mean() < 1e-3
        assert (masks["torch"] != masks["run"]).mean() < 1e-3
    for run, onnx_, torch_ in zip(
        *(entries(tmp_path / name) for name in ("run", "onnx", "torch")), strict=True
    ):
        assert onnx_["class"] == run["class"]
        assert onnx_["probability"] == pytest.approx(run["probability"], abs=1e-4)
        assert onnx_["box"] == pytest.approx(run["box"], abs=0.05)
        assert torch_ == {**run, "class": None, "probability": None, "box": None}


def test_load_takes_a_file(all_tasks: Path, decided: Path) -> None:
    photo = photos.photo(2)[..., ::-1].copy()
    found, expected = (package.load(path).predict(photo) for path in (all_tasks, decided))
    assert found.mask is not None
    assert found.mask.shape == photo.shape[:2]
    assert (found.label, found.box) == (expected.label, pytest.approx(expected.box, abs=0.05))


def test_nothing_of_the_machine_is_in_a_file(all_tasks: Path, program: Path) -> None:
    """Exporters note for every node the file and line that it comes from."""
    for file in (all_tasks, program):
        content = file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                content = b"".join(archive.read(name) for name in archive.namelist())
        for folder in (Path(package.__file__).parent, Path(torch.__file__).parent, Path.home()):
            assert str(folder).encode() not in content, file.name


def test_metadata(trained: Path, all_tasks: Path, program: Path) -> None:
    said, config = metadata(all_tasks), runs.config(trained)
    assert said["auxseg"] == config["version"]
    assert said["preset"] == "mtan-3task"
    assert tuple(said["tasks"]) == TASKS
    box = {"options": {}, "kind": "global", "channels": 4, "view": "image"}
    assert said["tasks"]["bbox"] == box
    assert said["classes"] == config["classes"]
    assert said["image_size"] == config["data"]["image_size"]
    assert said["input"]["name"] == "photo"
    answers = {"segmentation": "mask", "classification": "probabilities", "bbox": "box"}
    assert said["answers"] == answers
    validation = runs.metrics(trained, "val")
    assert said["validation"]["segmentation/iou"] == validation["segmentation/iou"]
    assert said["validation"]["bbox/iou"] == validation["bbox/iou"]
    assert said["encoder"] == "vgg16"
    assert said["weights_licence"] is None
    assert "any" in said["input"]["sizes"]
    alone = metadata(program)
    assert tuple(alone["tasks"]) == ("segmentation",)
    assert not any(key.startswith(("bbox", "classification")) for key in alone["validation"])


@pytest.mark.thorough
def test_what_cannot_be_traced_for_any_size_says_its_own(
    trained: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_size = formats.trace

    def traced(network: Any) -> Any:
        if network.size is None:
            raise RuntimeError("data-dependent")
        return any_size(network)

    monkeypatch.setattr(formats, "trace", traced)
    file = tmp_path / "one-size.pt2"
    line = ("export", trained, "--format", "torch", "--input", "picture", "--out", file)
    outcome = auxseg(*line).succeeded()
    assert "32×32 only" in outcome.out
    assert metadata(file)["input"]["sizes"] == [32, 32]
    auxseg("predict", file, album, "--out", tmp_path / "masks").succeeded()
    with Image.open(tmp_path / "masks" / "tall_mask.png") as mask:
        assert mask.size == (33, 71)


@pytest.mark.thorough
def test_int8_says_what_it_costs(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    outcome = auxseg("export", trained, "--int8", "--out", file).succeeded()
    said = metadata(file)["int8"]
    assert said["images"] == 8
    # The tiny run's own validation images, so fp32 has the run's own figure.
    iou = runs.metrics(trained, "val")["segmentation/iou"]
    assert said["iou_fp32"] == pytest.approx(iou, abs=1e-3)
    assert said["loss"] == pytest.approx(said["iou_fp32"] - said["iou_int8"])
    assert f"{said['iou_int8']:.4f} against {said['iou_fp32']:.4f}" in outcome.out
    assert file.stat().st_size < said["bytes_fp32"]
    weights = [one for one in onnx.load(file).graph.initializer if len(one.dims) == 4]
    eight = [one for one in weights if one.data_type == onnx.TensorProto.INT8]
    assert len(eight) > len(weights) / 2
    session = onnxruntime.InferenceSession(file)
    mask, raw = session.run(None, {"photo": np.zeros((1, 40, 33, 3), np.uint8)})
    assert (mask.shape, raw.shape) == ((1, 40, 33), (1, 2, 32, 32))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tasks", "segmentation,depth"), ("--tasks", "'depth'", "bbox")),
        (("--tasks", "bbox,bbox"), ("--tasks", "twice")),
        (("--format", "tflite"), ("--format", "'tflite'", "onnx, torch, hub, web")),
        (("--format", "torch"), ("--out", ".pt2")),
        (("--int8", "--tasks", "bbox"), ("--int8", "segmentation")),
        (("--input", "film"), ("--input", "'film'", "photo, picture")),
        (("--format", "hub", "--input", "photo"), ("--input", "hub")),
    ],
)
def test_wrong_usage(
    trained: Path, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    auxseg("export", trained, "--out", tmp_path / "a.onnx", *options).failed(2, *words)
    assert not list(tmp_path.iterdir())


def test_int8_is_for_onnx(trained: Path, tmp_path: Path) -> None:
    line = ("export", trained, "--format", "torch", "--int8", "--out", tmp_path / "a.pt2")
    auxseg(*line).failed(2, "--int8", "onnx")


def test_no_run(tmp_path: Path) -> None:
    line = ("export", tmp_path / "nothing", "--out", tmp_path / "a.onnx")
    auxseg(*line).failed(1, str(tmp_path / "nothing"))


@pytest.mark.thorough
def test_a_file_that_differs_is_not_published(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = ShippedNetwork.forward
    monkeypatch.setattr(
        ShippedNetwork,
        "forward",
        lambda self, image: {name: 1.01 * one for name, one in forward(self, image).items()},
    )
    line = ("export", trained, "--format", "torch", "--out", tmp_path / "a.pt2")
    auxseg(*line).failed(1, "a.pt2", "not written", "differ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["onnxscript", "onnxruntime"])
def test_without_the_extra(
    module: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    line = ("export", trained, "--out", tmp_path / "a.onnx")
    auxseg(*line).failed(2, module, "pip install auxseg[export]")


def test_predicting_without_the_extra(
    all_tasks: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    line = ("predict", all_tasks, album, "--out", tmp_path / "out")
    auxseg(*line).failed(2, "onnxruntime", "pip install auxseg[export]")


def test_damaged_and_foreign_files(
    all_tasks: Path, program: Path, album: Path, tmp_path: Path
) -> None:
    bad = {}
    for source in (all_tasks, program):
        bad[f"half{source.suffix}"] = source.read_bytes()[: source.stat().st_size // 2]
        bad[f"empty{source.suffix}"] = b""
    foreign = onnx.load(all_tasks)
    del foreign.metadata_props[:]
    bad["foreign.onnx"] = foreign.SerializeToString()
    newer = onnx.load(all_tasks)
    newer.metadata_props[0].value = json.dumps({**metadata(all_tasks), "format": 99})
    bad["newer.onnx"] = newer.SerializeToString()
    broken = onnx.load(all_tasks)
    broken.metadata_props[0].value = "{}"
    bad["broken.onnx"] = broken.SerializeToString()
    bad["notes.txt"] = b"no network"
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        line = ("predict", tmp_path / name, album, "--out", tmp_path / "out")
        auxseg(*line).failed(1, name)
    gone = ("predict", tmp_path / "gone.onnx", album, "--out", tmp_path / "out")
    auxseg(*gone).failed(1, "gone.onnx", "no such file")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["example", "weights", "object", "traversal"])
def test_a_program_that_holds_a_pickle_is_refused_before_it_is_read(
    where: str, program: Path, album: Path, tmp_path: Path
) -> None:
    payload = io.BytesIO()
    torch.save((Planted(tmp_path / "hit"),), payload)
    planted = tmp_path / "planted.pt2"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(planted, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if where == "example" and name.endswith("sample_inputs/model.pt"):
                content = payload.getvalue()
            if where == "weights" and name.endswith("model_weights_config.json"):
                config = json.loads(content)
                first = next(iter(config["config"].values()))
                first["use_pickle"] = True
                content = json.dumps(config).encode()
            target.writestr(name, content)
        further = {"object": "data/constants/custom_obj_0", "traversal": "../../evil"}.get(where)
        if further is not None:
            target.writestr(f"{source.namelist()[0].partition('/')[0]}/{further}", b"\x80\x02.")
    line = ("predict", planted, album, "--out", tmp_path / "out")
    auxseg(*line).failed(1, "planted.pt2", "nothing of it was run")
    assert not (tmp_path / "hit").exists()


def test_attention_and_batch_size(all_tasks: Path, album: Path, tmp_path: Path) -> None:
    line = ("predict", all_tasks, album, "--out", tmp_path / "out")
    auxseg(*line, "--attention").failed(2, "--attention", str(all_tasks))
    auxseg(*line, "--batch-size", "0").failed(2, "--batch-size", "1")
    assert "3 of 3" in auxseg(*line, "--batch-size", "2").succeeded().out
