"""Denoising, edges and colorization, few masks, images without labels: on the real command line."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytorch_lightning import LightningModule, Trainer

from auxseg.training.callbacks import Keeper

from . import photos, runs
from .command import TINY, TINY_MODEL, auxseg

TASKS = ("segmentation", "classification", "bbox", "denoising", "edges", "colorization")
OWN_PICTURE = ("denoising", "edges", "colorization")
#: Of the five blocks at width 0.05.
CHANNELS = (4, 6, 13, 26, 26)


class StoppedError(Exception):
    """Stands for a kill, inside this process."""


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def album(folder: Path, count: int = 7) -> Path:
    """Photos without labels."""
    for number in range(count):
        photos.write(folder / f"more{number}.jpg", photos.photo(50 + number))
    return folder


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("more"))


def line(more: Path) -> tuple[str | Path, ...]:
    few = ("--labels", "10", "--unlabelled", more, "--data.unlabelled_ratio", "0.6")
    return ("train", "mtan-all", *TINY, "--epochs", "2", *few, "--out")


@pytest.fixture(scope="module")
def all_tasks(cache: Path, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mtan-all with ten masks and seven unlabelled images. Copy before writing to it."""
    run = tmp_path_factory.mktemp("all") / "run"
    auxseg(*line(more), run).succeeded()
    return run


# -- training -------------------------------------------------------------------------------------


def test_all_tasks_learn_together(all_tasks: Path) -> None:
    metrics = runs.metrics(all_tasks, "val")
    assert runs.documented_keys(TASKS) | {"denoising/input_psnr"} <= metrics.keys()
    for key in runs.documented_keys(TASKS) - {"segmentation/iou_per_class", "edges/f1"}:
        assert math.isfinite(metrics[key]), key
    for row in runs.history(all_tasks):
        for task in TASKS:
            assert float(row[f"train/{task}/loss"]) > 0
    config = runs.config(all_tasks)
    assert config["tasks"]["views"] == "per-task"
    assert config["images"] == {"train": 20, "masks": 10, "unlabelled": 7, "val": 8, "test": 8}


def test_the_noise_is_as_strong_as_the_paper_s(all_tasks: Path) -> None:
    """Std 2 of 255 is 42 dB; clipping takes a little of the noise away."""
    assert 42 <= runs.metrics(all_tasks, "val")["denoising/input_psnr"] <= 43.5


def test_unlabelled_images_change_what_is_learned(all_tasks: Path, tmp_path: Path) -> None:
    plain = ("train", "mtan-all", *TINY, "--epochs", "2", "--labels", "10")
    auxseg(*plain, "--out", tmp_path / "run").succeeded()
    assert not runs.identical(runs.best(tmp_path / "run"), runs.best(all_tasks))


def _stop_in_second_epoch(
    keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
) -> None:
    if (trainer.current_epoch, batch_idx) == (1, 1):
        raise StoppedError


@pytest.mark.thorough
def test_stopped_and_resumed_it_ends_as_if_nobody_had_stopped_it(
    all_tasks: Path, more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", _stop_in_second_epoch)
        with pytest.raises(StoppedError):
            auxseg(*line(more), run)
    assert len(runs.history(run)) == 1
    auxseg(*line(more), run, "--resume").succeeded()
    rows = runs.without_seconds(runs.history(run))
    assert rows == runs.without_seconds(runs.history(all_tasks))
    assert runs.metrics(run, "val") == runs.metrics(all_tasks, "val")
    assert runs.identical(runs.best(run), runs.best(all_tasks))
    assert runs.identical(runs.last(run), runs.last(all_tasks))


def test_resume_with_other_unlabelled_images(all_tasks: Path, tmp_path: Path) -> None:
    other = album(tmp_path / "other", count=2)
    auxseg(*line(other), all_tasks, "--resume").failed(2, str(all_tasks), "data.unlabelled")


def test_without_a_task_for_them_unlabelled_images_do_nothing(more: Path, tmp_path: Path) -> None:
    plain = ("train", "segnet-1task", *TINY, "--epochs", "1", "--out")
    outcome = auxseg(*plain, tmp_path / "with", "--unlabelled", more).succeeded()
    auxseg(*plain, tmp_path / "without").succeeded()
    assert "--unlabelled has no effect" in outcome.err
    assert runs.identical(runs.best(tmp_path / "with"), runs.best(tmp_path / "without"))


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_unlabelled_images_that_are_not_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    auxseg(*line(tmp_path / name), tmp_path / "run").failed(1, str(tmp_path / name))
    assert not (tmp_path / "run").exists()


def test_one_shared_view_cannot_serve_all_tasks(tmp_path: Path) -> None:
    wrong = ("train", "mtan-all", *TINY, "--views", "shared", "--out", tmp_path / "run")
    auxseg(*wrong).failed(2, "denoising", "colorization", "--views per-task")
    assert not (tmp_path / "run").exists()


def test_an_unknown_kind_of_views(tmp_path: Path) -> None:
    wrong = ("train", "mtan-all", *TINY, "--views", "own", "--out", tmp_path / "run")
    auxseg(*wrong).failed(2, "tasks.views", "own", "shared, per-task")


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        ("denoising", "std", "-1"),
        ("edges", "low", "300"),
        ("edges", "colour", "lab"),
        ("colorization", "scale", "0"),
    ],
)
def test_a_task_s_wrong_option(task: str, option: str, value: str, tmp_path: Path) -> None:
    wrong = (f"--tasks.options.{task}.{option}", value, "--out", tmp_path / "run")
    auxseg("train", "mtan-all", *TINY, *wrong).failed(2, f"tasks.options.{task}", value)
    assert not (tmp_path / "run").exists()


# -- evaluating -----------------------------------------------------------------------------------


@pytest.mark.thorough
def test_evaluating_gives_the_numbers_of_training_without_the_unlabelled_images(
    cache: Path, tmp_path: Path
) -> None:
    """And without the folder: it may be gone by then."""
    folder = album(tmp_path / "more", count=3)
    run = tmp_path / "run"
    auxseg(*line(folder), run).succeeded()
    before = runs.metrics(run, "val")
    shutil.rmtree(folder)
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    for key in runs.documented_keys(TASKS) | {"denoising/input_psnr"}:
        assert after[key] == pytest.approx(before[key], abs=1e-5, rel=1e-5), key


#: Presets of the paper's self-supervised systems, and the task they add.
SYSTEMS = {"mtan-noisy": "denoising", "mtan-color": "colorization", "mtan-canny": "edges"}


@pytest.mark.parametrize("preset", SYSTEMS)
def test_the_paper_s_systems_train_and_are_evaluated_alike_twice(
    preset: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    auxseg("train", preset, *TINY, "--epochs", "1", "--out", run).succeeded()
    found = []
    for _ in range(2):
        outcome = auxseg("evaluate", run).succeeded()
        found.append(runs.metrics(run, "test"))
    assert found[0] == found[1]
    keys = runs.documented_keys((*TASKS[:3], SYSTEMS[preset]))
    assert found[0].keys() - {"denoising/input_psnr"} == keys
    assert all(key.removesuffix("_per_class") in outcome.out for key in found[0])


def test_the_color_system_looks_at_one_channel(tmp_path: Path) -> None:
    run = tmp_path / "run"
    auxseg("train", "mtan-color", *TINY, "--epochs", "1", "--out", run).succeeded()
    first = runs.best(run)["encoder.blocks.0.0.0.weight"]
    assert first.shape[1] == 1
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    auxseg("predict", run, path, "--out", tmp_path / "out").succeeded()
    assert picture(tmp_path / "out" / "cat_colorization.png").shape == (40, 48, 3)


# -- predicting -----------------------------------------------------------------------------------


def test_every_task_s_picture_is_written(all_tasks: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    photos.write(folder / "wide.jpg", photos.photo(0, 90, 50))
    photos.write(folder / "tall.png", photos.photo(1, 33, 71))
    out = tmp_path / "out"
    auxseg("predict", all_tasks, folder, "--out", out).succeeded()
    kinds = ("mask", "overlay", *OWN_PICTURE)
    names = {f"{stem}_{kind}.png" for stem in ("wide", "tall") for kind in kinds}
    tables = {"predictions.json", "areas.csv", ".predicted.jsonl"}
    assert {path.name for path in out.iterdir()} == names | tables
    for stem, shape in (("wide", (50, 90, 3)), ("tall", (71, 33, 3))):
        for task in (*OWN_PICTURE, "overlay"):
            found = picture(out / f"{stem}_{task}.png")
            assert (found.shape, found.dtype) == (shape, np.uint8), task
    entries = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    assert [entry["files"] for entry in entries] == ["tall", "wide"]


def test_predicting_twice_is_the_same(all_tasks: Path, tmp_path: Path) -> None:
    """A photo is taken as it is: nothing is noise."""
    path = photos.write(tmp_path / "cat.png", photos.photo(0))
    for name in "ab":
        auxseg("predict", all_tasks, path, "--out", tmp_path / name).succeeded()
    a, b = (
        {file.name: file.read_bytes() for file in sorted((tmp_path / name).iterdir())}
        for name in "ab"
    )
    assert a == b


def test_without_the_flag_no_attention_is_written(all_tasks: Path, tmp_path: Path) -> None:
    path = photos.write(tmp_path / "cat.png", photos.photo(0))
    auxseg("predict", all_tasks, path, "--out", tmp_path / "out").succeeded()
    assert not list((tmp_path / "out").glob("*attention*"))


def check_attention(path: Path, tasks: tuple[str, ...], sides: tuple[int, ...]) -> None:
    with np.load(path) as found:
        assert set(found) == {f"{task}/encoder-{j}" for task in tasks for j in range(1, 6)}
        for task in tasks:
            for j, (channels, side) in enumerate(zip(CHANNELS, sides, strict=True), start=1):
                mask = found[f"{task}/encoder-{j}"]
                assert (mask.shape, mask.dtype) == ((channels, side, side), np.float16)
                assert 0 <= float(mask.min()) <= float(mask.max()) <= 1


@pytest.mark.thorough
def test_attention_masks_are_arrays_and_a_picture(all_tasks: Path, tmp_path: Path) -> None:
    path = photos.write(tmp_path / "wide.jpg", photos.photo(0, 90, 50))
    out = tmp_path / "out"
    auxseg("predict", all_tasks, path, "--out", out, "--attention").succeeded()
    check_attention(out / "wide_attention.npz", TASKS, (32, 16, 8, 4, 2))
    drawn = picture(out / "wide_attention.png")
    assert drawn.shape[0] > 100
    assert len(np.unique(drawn[..., :3].reshape(-1, 3), axis=0)) > 50
    assert (out / "wide_mask.png").is_file()


@pytest.mark.thorough
def test_attention_masks_of_a_padded_size_are_cropped(tmp_path: Path) -> None:
    """40 pixels are padded to 64; what stands for padding is cut off, rounded up."""
    run, small = tmp_path / "run", (*TINY_MODEL, "--image-size", "40")
    data = ("--data.options", "{train: 10, val: 4, test: 4}")
    auxseg("train", "mtan-noisy", *data, *small, "--epochs", "1", "--out", run).succeeded()
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    auxseg("predict", run, path, "--out", tmp_path / "out", "--attention").succeeded()
    tasks = ("segmentation", "classification", "bbox", "denoising")
    check_attention(tmp_path / "out" / "cat_attention.npz", tasks, (40, 20, 10, 5, 3))


def test_a_network_without_attention_has_none_to_show(tmp_path: Path) -> None:
    run = tmp_path / "run"
    auxseg("train", "segnet-1task", *TINY, "--epochs", "1", "--out", run).succeeded()
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    asked = ("predict", run, path, "--out", tmp_path / "out", "--attention")
    auxseg(*asked).failed(2, "--attention", "segnet-1task")
    assert not (tmp_path / "out").exists()
