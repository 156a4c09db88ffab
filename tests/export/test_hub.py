"""A folder for hubs: predicts as the run does, tells nothing of the machine, asks no network."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

import auxseg
from auxseg.errors import DataError, UsageError
from auxseg.export.hub import export_hub
from auxseg.runs.directory import RunDirectory
from auxseg.runs.measure import evaluate
from tiny_run import tiny_run, with_both_classes

PHOTO = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """mtan-color after an epoch on drawings, tested: it sees lightness and has four tasks."""
    with tiny_run(tmp_path_factory, "mtan-color") as out:
        with_both_classes(out, PHOTO)
        evaluate(out)
        yield out


@pytest.fixture
def hub(run: Path, tmp_path: Path) -> Path:
    folder, _ = export_hub(RunDirectory(run), tmp_path / "pets")
    return folder


def test_it_predicts_as_the_run_does(run: Path, hub: Path) -> None:
    one, other = (auxseg.load(path, "cpu").predict(PHOTO, attention=True) for path in (hub, run))
    assert one.mask is not None
    np.testing.assert_array_equal(one.mask, other.mask)
    assert (one.label, one.box) == (other.label, other.box)
    assert one.attention.keys() == other.attention.keys()
    for key, mask in one.attention.items():
        np.testing.assert_array_equal(mask, other.attention[key])


def test_nothing_of_the_machine_is_in_it(run: Path, hub: Path) -> None:
    assert sorted(file.name for file in hub.iterdir()) == [
        *("README.md", "config.json", "model.safetensors")
    ]
    for file in hub.iterdir():
        assert str(run.parent).encode() not in file.read_bytes()
    content = json.loads((hub / "config.json").read_text(encoding="utf-8"))
    assert set(content["options"]) == {"preset", "model", "tasks", "data"}
    assert set(content["options"]["data"]) == {"image_size", "fit", "scale"}


def test_the_card_begins_with_what_hubs_read(hub: Path) -> None:
    text = (hub / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["library_name"] == "auxseg"
    assert about["pipeline_tag"] == "image-segmentation"
    assert {"mtan", "vgg16", "colorization"} <= set(about["tags"])
    assert "| metric | validation images | test images |" in body
    assert "| segmentation/iou | 0." in body
    assert "Classes of the mask: background, animal." in body
    assert "Trained on 10 images" in body


def test_a_name_on_the_hub_is_fetched(
    hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        if name != "someone/pets":
            raise OSError("404 Client Error\nmore")
        return str(hub)

    module: Any = ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.chdir(tmp_path)
    assert auxseg.load("someone/pets", "cpu").predict(PHOTO).mask is not None
    assert asked == [("someone/pets", ["config.json", "model.safetensors"])]
    with pytest.raises(DataError, match=r"someone/cats: is no folder here.*\(404 Client Error\)"):
        auxseg.load("someone/cats", "cpu")
    asked.clear()
    # What is a path here is never asked for there; neither is what cannot be a name.
    shutil.copytree(hub, tmp_path / "someone" / "pets")
    auxseg.load("someone/pets", "cpu")
    for path in ("nowhere", "a/b/c", "./a", "/a/b"):
        with pytest.raises(DataError):
            auxseg.load(path, "cpu")
    assert not asked


def test_without_the_library_a_name_is_a_missing_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match="someone/pets: is not a run"):
        auxseg.load("someone/pets", "cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(format=2, auxseg="9.0"), "written by auxseg 9.0"),
        (lambda one: one.update(library_name="timm"), "no network of auxseg"),
        (lambda one: one.pop("classes"), "cannot be read"),
        (lambda one: one["options"]["model"].update(architecture="x"), "cannot be read"),
        (lambda one: one["options"]["model"].update(width=0.1), "other weights than"),
    ],
)
def test_what_cannot_be_read_is_one_line(change: Any, words: str, hub: Path) -> None:
    content = json.loads((hub / "config.json").read_text(encoding="utf-8"))
    change(content)
    (hub / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        auxseg.load(hub, "cpu")


def test_damaged_weights(hub: Path) -> None:
    content = (hub / "model.safetensors").read_bytes()
    (hub / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is damaged"):
        auxseg.load(hub, "cpu")


def test_a_folder_that_is_not_empty_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_hub(RunDirectory(run), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_verb(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from auxseg.cli.export import export

    line = [str(run), "--format", "hub", "--out", str(tmp_path / "hub")]
    assert export(line) == 0
    assert "the whole network" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--tasks: has no effect"):
        export([*line[:-1], str(tmp_path / "b"), "--tasks", "segmentation"])


def test_without_test_metrics_the_card_has_no_such_column(run: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    for file in bare.glob("metrics-test*"):
        file.unlink()
    folder, _ = export_hub(RunDirectory(bare), tmp_path / "hub")
    assert "| metric | validation images |\n" in (folder / "README.md").read_text(encoding="utf-8")
