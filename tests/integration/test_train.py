"""``auxseg train``: what a run leaves behind, when it refuses, and the same from Python."""

from __future__ import annotations

import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

import auxseg as library
from auxseg.config.presets import PRESETS
from auxseg.tasks.segmentation import Segmentation

from . import photos, runs
from .command import TINY, TINY_MODEL, auxseg

FILES = {
    "config.yaml",
    "split.csv",
    "history.csv",
    "steps.csv",
    "validation.npz",
    "metrics-val.json",
}
WEIGHTS = {"checkpoints/best.safetensors", "checkpoints/last.ckpt"}


def tags(run: Path) -> set[str]:
    """Names of all curves in the TensorBoard events."""
    events = EventAccumulator(str(run))
    events.Reload()
    return set(events.Tags()["scalars"])


#: One of each architecture, encoder and way of seeing. That every preset trains, and every
#: parameter of it, is a matter of pure steps: tests/models/test_models_contract.py.
KINDS = (
    *("segnet-color", "mtan-all", "mtan-full-3task", "cross-stitch-2task", "progressive-2task"),
    *("unet-1task", "mtan-unet-3task", "unet-semi"),
)


def test_the_kinds_are_all_there_are() -> None:
    kinds = {(one.architecture, one.views) for one in PRESETS.values()}
    assert {(PRESETS[name].architecture, PRESETS[name].views) for name in KINDS} | {
        ("mtan", "shared")
    } == kinds
    assert {PRESETS[name].encoder for name in KINDS} == {one.encoder for one in PRESETS.values()}


@pytest.mark.parametrize("preset", KINDS)
def test_a_preset_of_each_kind_leaves_a_complete_run(preset: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tasks = PRESETS[preset].tasks
    taught = ("--labels", "8", "--tasks.options.consistency.threshold", "0.5")
    few = taught if "consistency" in tasks else ()  # it needs photos without a mask
    auxseg("train", preset, "--out", run, *TINY, "--epochs", "1", *few).succeeded()

    written = set(runs.snapshot(run))
    assert {name for name in written if "tfevents" not in name} == FILES | WEIGHTS
    assert runs.config(run)["preset"] == preset
    metrics = runs.metrics(run, "val")
    assert runs.documented_keys(tasks) <= metrics.keys()
    assert all(
        isinstance(value, list if key.endswith("_per_class") else float | None)
        for key, value in metrics.items()
    )
    prefixes = ("", *(f"{task}/" for task in tasks))
    losses = {f"{part}/{prefix}loss" for part in ("train", "val") for prefix in prefixes}
    scalars = {key for key in runs.documented_keys(tasks) if not key.endswith("_per_class")}
    names = losses | {f"val/{key}" for key in scalars}
    (row,) = runs.history(run)
    assert (row["epoch"], float(row["seconds"]) > 0) == ("1", True)
    assert row.keys() >= names
    assert {name for name in tags(run) if name.startswith(("train/", "val/"))} >= names


def test_history_has_a_row_per_epoch(trained: Path) -> None:
    assert [row["epoch"] for row in runs.history(trained)] == ["1", "2"]


def test_metrics_are_those_of_the_best_epoch(trained: Path) -> None:
    by_epoch = [float(row["val/segmentation/iou"]) for row in runs.history(trained)]
    assert runs.metrics(trained, "val")["segmentation/iou"] == pytest.approx(max(by_epoch), 1e-5)


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    line = ("train", "segnet-1task", *TINY, "--epochs", "1", "--seed")
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        auxseg(*line, seed, "--out", tmp_path / name).succeeded()
    a, b, c = (runs.best(tmp_path / name) for name in "abc")
    assert runs.identical(a, b)
    assert not runs.identical(a, c)


def test_a_run_is_not_overwritten(trained: Path) -> None:
    before = runs.snapshot(trained)
    outcome = auxseg("train", "mtan-3task", "--out", trained, *TINY, "--epochs", "2")
    outcome.failed(2, str(trained), "--resume")
    assert runs.snapshot(trained) == before


def test_a_foreign_folder_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    auxseg("train", "segnet-1task", "--out", tmp_path, *TINY).failed(2, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_resume_trains_from_scratch_in_an_empty_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    line = ("train", "segnet-1task", "--out", run, *TINY, "--epochs", "1", "--resume")
    auxseg(*line).succeeded()
    assert len(runs.history(run)) == 1


def test_resume_leaves_a_finished_run_alone(trained: Path) -> None:
    before = runs.snapshot(trained)
    line = ("train", "mtan-3task", "--out", trained, *TINY, "--epochs", "2", "--resume")
    assert "already finished" in auxseg(*line).succeeded().out
    assert runs.snapshot(trained) == before


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("training.lr", ("--training.lr", "0.5")),
        ("training.epochs", ("--epochs", "1")),
        ("data.options.train", ("--data.options", "{train: 21, val: 8, test: 8}")),
        ("augmentation.flip", ("--augmentation.flip", "0")),
    ],
)
def test_resume_with_other_options(key: str, options: tuple[str, ...], trained: Path) -> None:
    before = runs.snapshot(trained)
    line = ("train", "mtan-3task", *TINY, "--epochs", "2", "--resume", *options)
    auxseg(*line, "--out", trained).failed(2, str(trained), key)
    assert runs.snapshot(trained) == before


#: One step an epoch, so large that the weights of the first epoch are the last finite ones.
DIVERGING = ("--batch-size", "20", "--training.warmup", "0", "--training.lr", "1e30")


def test_diverging_in_the_first_epoch(tmp_path: Path) -> None:
    line = ("train", "segnet-1task", "--out", tmp_path / "run", *TINY, "--training.lr", "1e30")
    auxseg(*line, "--epochs", "1").failed(1, "segmentation", "in step 2, with", "--training.lr")


def test_diverging_later_keeps_the_epochs_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, calls = Segmentation.loss, itertools.count(1)
    # An epoch has four steps and one batch of validation images: the sixth loss is epoch 2's first.
    monkeypatch.setattr(
        Segmentation, "loss", lambda *args: loss(*args) * (1 if next(calls) < 6 else math.nan)
    )
    run = tmp_path / "run"
    line = ("train", "segnet-1task", "--out", run, *TINY, "--epochs", "3")
    auxseg(*line).failed(1, "segmentation", "in step 5, with", "--training.lr")
    assert [row["epoch"] for row in runs.history(run)] == ["1"]
    assert set(runs.snapshot(run)) >= WEIGHTS


def test_diverging_in_the_last_step_is_noticed(tmp_path: Path) -> None:
    line = ("train", "segnet-1task", "--out", tmp_path / "run", *TINY, *DIVERGING)
    auxseg(*line, "--epochs", "1").failed(1, "not a finite number")


def test_a_step_without_a_finite_loss_is_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if its images had no label: statistics, weights and schedule do not move."""
    loss, calls = Segmentation.loss, itertools.count(1)
    monkeypatch.setattr(
        Segmentation, "loss", lambda *args: loss(*args) * (1 if next(calls) != 7 else math.nan)
    )
    run = tmp_path / "run"
    line = ("train", "segnet-1task", "--out", run, *TINY, "--epochs", "3")
    auxseg(*line, "--training.non_finite", "skip").succeeded()
    assert [row["train/skipped"] for row in runs.history(run)] == ["0", "1", "0"]
    with (run / "steps.csv").open() as file:
        assert len(file.readlines()) == 1 + 11
    assert all(value.isfinite().all() for value in runs.last(run).values())


@pytest.mark.parametrize(("option", "key"), [("--limit", "limit"), ("--labels", "labels")])
def test_fewer_images_or_masks(option: str, key: str, tmp_path: Path) -> None:
    few, all_ = tmp_path / "few", tmp_path / "all"
    line = ("train", "segnet-1task", *TINY, "--epochs", "1", "--out")
    auxseg(*line, few, option, "10").succeeded()
    auxseg(*line, all_).succeeded()
    assert runs.config(few)["data"][key] == 10
    assert not runs.identical(runs.best(few), runs.best(all_))
    assert runs.metrics(few, "val").keys() == runs.metrics(all_, "val").keys()


def test_images_without_some_labels_train_along(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", masks=[*range(0, 12, 3), 12, 13, 16])
    photos.table(
        root,
        (
            photos.row(n, label=n % 3 == 0, box=n % 4 == 1, part=photos.part_of(n, 20))
            for n in range(20)
        ),
    )
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--data", "folder", "--root", root, *TINY_MODEL)
    outcome = auxseg(*line, "--epochs", "2", "--out", run).succeeded()
    assert "13 of 20 images have no mask" in outcome.err
    assert all(
        float(row[f"train/{task}/loss"]) > 0
        for row in runs.history(run)
        for task in ("segmentation", "classification", "bbox")
    )


def test_a_metric_without_a_labelled_sample_is_null(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=10)
    photos.table(root, (photos.row(n, box=n < 6, part=photos.part_of(n, 10)) for n in range(10)))
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--data", "folder", "--root", root, *TINY_MODEL)
    outcome = auxseg(*line, "--epochs", "1", "--out", run).succeeded()
    assert runs.metrics(run, "val")["bbox/iou"] is None
    assert runs.history(run)[0]["val/bbox/iou"] == ""
    (line_,) = (text for text in outcome.out.splitlines() if text.startswith("| bbox/iou"))
    assert line_.split()[3] == "–"


@pytest.mark.parametrize(
    ("tasks", "missing"),
    [
        ("[segmentation]", "segmentation"),
        ("[classification]", "classification"),
        ("[bbox]", "bbox"),
    ],
)
def test_bare_images_have_nothing_to_learn(tasks: str, missing: str, tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=10, masks=())
    run = tmp_path / "run"
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--tasks.names", tasks, "--out", run).failed(1, missing)
    assert not run.exists()


def test_a_file_of_options_and_one_laid_over_it(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("training:\n  epochs: 3\n  lr: 0.002\ndata:\n  split_seed: 5\n")
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *TINY, "--config", file, "--epochs", "1", "--out", run)
    auxseg(*line).succeeded()
    written = runs.config(run)
    assert (written["training"]["epochs"], written["training"]["lr"]) == (1, 0.002)
    assert (written["data"]["split_seed"], len(runs.history(run))) == (5, 1)


def test_options_override_the_file_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("training:\n  epochs: 2\n")
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *TINY, "--epochs", "1", "--config", file, "--out", run)
    auxseg(*line).succeeded()
    assert runs.config(run)["training"]["epochs"] == 1


def test_a_runs_file_repeats_it(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    auxseg("train", "mtan-3task", "--config", trained / "config.yaml", "--out", run).succeeded()
    assert runs.identical(runs.best(run), runs.best(trained))


SETTINGS: dict[str, Any] = {
    "data": "shapes",
    "data.options": {"train": 20, "val": 8, "test": 8},
    "image_size": 32,
    "width": 0.05,
    "weights": "none",
    "batch_size": 5,
    "accelerator": "cpu",
    "epochs": 2,
}


def test_python_does_what_the_command_line_does(trained: Path, tmp_path: Path) -> None:
    result = library.train("mtan-3task", out=tmp_path / "run", **SETTINGS)
    assert runs.config(result.run_dir) == runs.config(trained)
    assert runs.identical(runs.best(result.run_dir), runs.best(trained))
    assert result.metrics == runs.metrics(trained, "val")


def test_python_numbers_the_run_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = [library.train("segnet-1task", **{**SETTINGS, "epochs": 1}).run_dir for _ in range(2)]
    assert found == [Path("runs/segnet-1task"), Path("runs/segnet-1task-2")]


def test_configure_takes_short_last_and_dotted_names() -> None:
    config = library.configure("mtan-no-bbox", epochs=3, lr=3e-4, **{"training.warmup": 0.1})
    training = config.training
    assert (training.epochs, training.lr, training.warmup) == (3, 3e-4, 0.1)
    assert config.tasks.names == ("segmentation", "classification")


@pytest.mark.parametrize("names", ["segmentation,edges", "[segmentation, edges]", None])
@pytest.mark.parametrize("devices", [(0, 1), [0, 1], "0,1"])
def test_configure_takes_lists(names: object, devices: object) -> None:
    names = names or ["segmentation", "edges"]
    scale = {"augmentation.scale": "0.5,2"}  # data has a scale as well
    config = library.configure("segnet-1task", names=names, devices=devices, **scale)
    assert config.tasks.names == ("segmentation", "edges")
    assert config.training.devices == (0, 1)
    assert config.augmentation.scale == (0.5, 2.0)


def test_lists_on_the_command_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    lists = ("--tasks.names", "segmentation,edges", "--augmentation.scale", "0.9,1.1")
    auxseg("train", "segnet-1task", *TINY, *lists, "--epochs", "1", "--out", run).succeeded()
    written = runs.config(run)
    assert written["tasks"]["names"] == ["segmentation", "edges"]
    assert written["augmentation"]["scale"] == [0.9, 1.1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epoch": 3}, ("'epoch'", "epochs")),
        ({"epochs": "many"}, ("training.epochs", "many")),
        ({"epochs": 0}, ("training.epochs", "1")),
        ({"data": "mnist"}, ("data.name", "mnist", "shapes")),
        ({"options": {}}, ("'options'", "data.options", "tasks.options")),
        ({"names": ["segmentation", "segmentation"]}, ("tasks.names", "twice")),
        ({"names": []}, ("tasks.names", "empty")),
    ],
)
def test_configure_refuses(settings: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(library.UsageError) as caught:
        library.configure("segnet-1task", **settings)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_load_predicts(trained: Path, tmp_path: Path) -> None:
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    found = library.load(trained).predict(path)
    assert found.mask is not None
    assert found.mask.shape == (photos.HEIGHT, photos.WIDTH)
    assert found.label in ("cat", "dog")


def test_a_run_can_be_moved(trained: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained, moved)
    auxseg("evaluate", moved, "--split", "test").succeeded()
    assert (moved / "metrics-test.json").is_file()
