"""Bad input gets one line that names it and says what is allowed, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from . import photos, runs
from .command import TINY, TINY_MODEL, Outcome, auxseg, process


def train(run: Path, *options: str | Path) -> Outcome:
    """One epoch of the smallest system."""
    return auxseg("train", "segnet-1task", *TINY, "--epochs", "1", "--out", run, *options)


def train_folder(root: Path, run: Path, preset: str = "segnet-1task") -> Outcome:
    line = ("train", preset, "--data", "folder", "--root", root, *TINY_MODEL)
    return auxseg(*line, "--epochs", "1", "--out", run)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory that does not exist."""
    return tmp_path / "run"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten photos with masks, classes, boxes and parts."""
    folder = photos.folder(tmp_path / "photos", count=10)
    photos.table(folder, rows())
    return folder


def rows() -> list[str]:
    return [photos.row(n, part=photos.part_of(n, 10)) for n in range(10)]


WRONG_OPTIONS = [
    (("--image-size", "0"), ("data.image_size", "0", "8")),
    (("--image-size", "big"), ("data.image_size", "big")),
    (("--epochs", "0"), ("training.epochs", "0", "1")),
    (("--epochs", "many"), ("training.epochs", "many")),
    (("--batch-size", "-1"), ("training.batch_size", "-1", "1")),
    (("--width", "0"), ("model.width", "0")),
    (("--training.lr", "nan"), ("training.lr", "nan")),
    (("--seed", "-1"), ("training.seed", "-1", "0")),
    (("--limit", "0"), ("data.limit", "0", "1")),
    (("--training.checkpoint_every", "0"), ("training.checkpoint_every", "500", "60s", "got 0")),
    (("--training.checkpoint_every", "5 min"), ("training.checkpoint_every", "60s", "'5 min'")),
    (("--training.non_finite", "ignore"), ("training.non_finite", "'ignore'", "stop, skip")),
    (("--data.cache", "some"), ("data.cache", "'some'", "all, none")),
    (("--training.nodes", "0"), ("training.nodes", "0", "1")),
    (("--limit", "21"), ("data.limit", "21", "20")),
    (("--labels", "21"), ("data.labels", "21", "20")),
    (("--bogus", "3"), ("'bogus'", "--help")),
    (("--epoch", "3"), ("'epoch'", "epochs")),
    (("--training.epoch", "3"), ("'training.epoch'", "training.epochs")),
    (("--data", "mnist"), ("data.name", "'mnist'", "shapes", "folder")),
    (("--split", "paper"), ("split", "paper", "generated")),
    (("--data", "shapes", "--root", "somewhere"), ("shapes", "--root", "somewhere")),
    (("--ignore-index", "3"), ("--ignore-index", "shapes")),
    (("--ignore-index", "256"), ("data.ignore_index", "256", "255")),
    (("--data.options", "{tarin: 3}"), ("data.options.tarin", "train, val, test")),
    (("--data.options", "{train: 0}"), ("data.options.train", "0", "1")),
    (("--data.options", "{train: x}"), ("data.options.train", "x")),
    (("--tasks.names", "[segmentation,depth]"), ("tasks.names", "'depth'", "bbox")),
    (("--tasks.names", "segmentation,depth"), ("tasks.names", "'depth'", "bbox")),
    (("--tasks.names", "[]"), ("tasks.names", "empty")),
    (("--tasks.names", ""), ("tasks.names", "empty")),
    (("--tasks.names", "[segmentation,segmentation]"), ("tasks.names", "segmentation", "twice")),
    (("--tasks.names", "segmentation,segmentation"), ("tasks.names", "segmentation", "twice")),
    (("--tasks.weights", "{depth: 1}"), ("'depth'", "segmentation")),
    (("--tasks.weights", "{segmentation: -1}"), ("tasks.weights", "-1", "0")),
    (("--tasks.options", "{segmentation: {a: 1}}"), ("tasks.options.segmentation.a",)),
    (("--balancer", "magic"), ("training.balancer", "'magic'", "fixed")),
    (("--training.balancer_options", "{a: 1}"), ("training.balancer_options.a",)),
    (("--augmentation.scale", "[2, 1]"), ("scale", "2.0, 1.0")),
    (("--augmentation.scale", "2,1"), ("scale", "2.0, 1.0")),
    (("--augmentation.scale", "2"), ("augmentation.scale", "2 comma-separated", "'2'")),
    (("--training.validate_every", "2"), ("training.validate_every", "training.epochs")),
    (("--model.calibrate", "false"), ("model.calibrate", "model.weights")),
    (("--weights", "imagenet"), ("model.width", "--weights none")),
    (("--accelerator", "abacus"), ("abacus", "cpu")),
    (("--devices", "0"), ("devices", "0")),
    (("--devices", "-1"), ("devices", "-1")),
    (("--devices", "few"), ("devices", "few")),
    (("--training.precision", "7"), ("precision", "7", "32-true")),
]


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS)
def test_wrong_options(options: Sequence[str], words: Sequence[str], run: Path) -> None:
    train(run, *options).failed(2, *words)
    assert not run.exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("trian", "segnet-1task"), ("'trian'", "train", "evaluate")),
        (("train", "segnet-2task", "--out", "run"), ("'segnet-2task'", "segnet-1task")),
        (("train", "segnet-1task"), ("required", "--out")),
        (("train",), ("required", "--out")),
        (("reproduce", "--out", "run", "--presets", "[segnet-2task]"), ("'segnet-2task'",)),
        (("reproduce", "--out", "run", "--seeds", "0"), ("--seeds", "0", "1")),
        (("reproduce", "--out", "run", "--jobs", "0"), ("--jobs", "0", "1")),
        (("reproduce", "--out", "run", "--presets", "[]"), ("presets",)),
    ],
)
def test_wrong_usage(
    line: Sequence[str], words: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    auxseg(*line).failed(2, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("weights", ["imagenet", "missing.pth"])
def test_weights_for_a_preset_that_starts_from_scratch(weights: str, run: Path) -> None:
    line = ("train", "segnet-1task-scratch", *TINY, "--weights", weights, "--out", run)
    auxseg(*line).failed(2, "model.weights", weights, "segnet-1task-scratch", "pretrained")
    assert not run.exists()


def test_no_gpu(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    train(run, "--accelerator", "gpu").failed(2, "accelerator gpu")
    assert not run.exists()


def test_weights_that_are_missing(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "missing.pth"
    train(run, "--weights", file).failed(1, str(file), "imagenet, none")
    assert not run.exists()


def test_weights_that_are_none(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_text("not weights")
    train(run, "--weights", file).failed(1, str(file))
    assert not run.exists()


def test_weights_of_another_network(trained: Path, run: Path) -> None:
    file = trained / "checkpoints" / "best.safetensors"
    train(run, "--weights", file).failed(1, str(file), "features.0.weight")
    assert not run.exists()


def test_weights_of_another_width(shared: Path, run: Path) -> None:
    file = shared / "weights" / "vgg16_features_imagenet_fp16.safetensors"
    train(run, "--weights", file).failed(1, str(file), "features.0.weight", "--weights none")
    assert not run.exists()


def test_missing_options_file(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "missing.yaml"
    train(run, "--config", file).failed(2, str(file))
    assert not run.exists()


def test_options_file_with_a_wrong_key(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("training:\n  epoch: 1\n")
    train(run, "--config", file).failed(2, "'training.epoch'", "training.epochs")
    assert not run.exists()


@pytest.mark.parametrize("text", ["training: [1, 2\n", "- 1\n- 2\n", "epochs"])
def test_options_file_that_is_no_table(text: str, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text(text)
    train(run, "--config", file).failed(2)
    assert not run.exists()


def test_broken_options_file_is_named(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("training: [1, 2\n")
    train(run, "--config", file).failed(2, str(file))


def test_out_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_text("mine")
    train(file).failed(2, str(file), "folder")
    assert file.read_text() == "mine"


def test_out_lies_below_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    train(file / "run").failed(2, str(file))


def test_no_root(run: Path) -> None:
    auxseg("train", "segnet-1task", "--data", "folder", *TINY_MODEL, "--out", run).failed(
        2, "folder", "--root"
    )
    assert not run.exists()


def test_missing_root(run: Path, tmp_path: Path) -> None:
    train_folder(tmp_path / "nowhere", run).failed(1, str(tmp_path / "nowhere"))
    assert not run.exists()


def test_empty_folder(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    train_folder(tmp_path / "empty", run).failed(1, str(tmp_path / "empty"), ".jpg")
    assert not run.exists()


def test_the_root_is_looked_at_before_weights_are_downloaded(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        "auxseg.assembly.weights.download", lambda *given, **named: asked.append(given)
    )
    auxseg("train", "segnet-1task", "--data", "folder", "--out", run)
    assert asked == []


def test_mask_of_another_size(root: Path, run: Path) -> None:
    photos.write(root / "masks" / "02.png", photos.mask(2, 20, 30))
    train_folder(root, run).failed(1, str(root / "masks" / "02.png"), "20 × 30", "48 × 40")
    assert not run.exists()


def test_mask_value_beyond_the_classes(root: Path, run: Path) -> None:
    (root / "classes.txt").write_text("background\ndisc\n")
    mask = photos.mask(3)
    mask[0, 0] = 7
    file = photos.write(root / "masks" / "03.png", mask)
    train_folder(root, run).failed(1, str(file), "7", "0 to 1", "--ignore-index 7")
    assert not run.exists()


def test_mask_without_an_image(root: Path, run: Path) -> None:
    file = photos.write(root / "masks" / "stranger.png", photos.mask(0))
    train_folder(root, run).failed(1, str(file), "no image")
    assert not run.exists()


def test_mask_in_colours_without_a_palette(root: Path, run: Path) -> None:
    file = photos.write(root / "masks" / "04.png", photos.photo(4))
    train_folder(root, run).failed(1, str(file), "palette")
    assert not run.exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("04.jpg,cat,30,10,6,30,train", ("line 6", "(30, 10, 6, 30)", "xmin < xmax")),
        ("04.jpg,cat,6,10,60,30,train", ("line 6", "04.jpg", "(6, 10, 60, 30)", "48 × 40")),
        ("04.jpg,cat,6,10,x,30,train", ("line 6", "xmax", "'x'")),
        ("04.jpg,cat,6,10,,30,train", ("line 6", "xmax")),
        ("04.jpg,cat,6,10,26,30,training", ("line 6", "'training'", "train, val, test")),
        ("44.jpg,cat,6,10,26,30,train", ("line 6", "'44.jpg'")),
        ("04.jpg,cat", ("line 6", "2 cells", "7")),
    ],
)
def test_wrong_row_of_the_table(row: str, words: Sequence[str], root: Path, run: Path) -> None:
    lines = rows()
    lines[4] = row
    photos.table(root, lines)
    train_folder(root, run, "segnet-3task").failed(1, str(root / "labels.csv"), *words)
    assert not run.exists()


def test_unknown_column_of_the_table(root: Path, run: Path) -> None:
    photos.table(root, ["00.jpg,cat"], header="image,class")
    train_folder(root, run).failed(1, str(root / "labels.csv"), "'class'", "label")
    assert not run.exists()


def test_a_mended_folder_trains_into_the_same_directory(root: Path, run: Path) -> None:
    wrong = photos.write(root / "masks" / "02.png", photos.mask(2, 20, 30))
    train_folder(root, run).failed(1, str(wrong))
    photos.write(wrong, photos.mask(2))
    train_folder(root, run).succeeded()
    assert len(runs.history(run)) == 1


def test_a_truncated_photo_is_left_out_and_named(root: Path, run: Path) -> None:
    broken = root / "images" / "01.jpg"
    photos.truncate(broken)
    outcome = train_folder(root, run).succeeded()
    (line,) = (text for text in outcome.err.splitlines() if str(broken) in text)
    assert "truncated" in line
    assert len(runs.history(run)) == 1
    checked = auxseg("data", "check", root)
    assert checked.status == 1
    assert f"problem: {broken}" in checked.out


def test_a_photo_without_a_mask_trains_along_with_a_note(root: Path, run: Path) -> None:
    (root / "masks" / "02.png").unlink()
    outcome = train_folder(root, run).succeeded()
    assert "1 of 10 images have no mask (first: 02.jpg)" in outcome.err


def test_no_photo_can_be_read(root: Path, run: Path) -> None:
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    train_folder(root, run).failed(1, "no image can be read", "00.jpg", "empty")
    assert not run.exists()


def test_a_split_without_validation_images(root: Path, run: Path) -> None:
    photos.table(root, [photos.row(n, part="train") for n in range(10)])
    train_folder(root, run).failed(1, "val", "folder")
    assert not run.exists()


def test_masks_of_one_class(root: Path, run: Path) -> None:
    for path in (root / "masks").iterdir():
        photos.write(path, np.zeros((photos.HEIGHT, photos.WIDTH), np.uint8))
    train_folder(root, run).failed(1, "segmentation", "two classes")
    assert not run.exists()


def test_a_single_mask_at_a_tiny_size(root: Path, run: Path) -> None:
    """EfficientNet's stride is 32, so that one place is left of 32×32."""
    photos.table(root, [photos.row(n, part="train" if n == 0 else "val") for n in range(10)])
    outcome = train_folder(root, run, "unet-1task")
    assert outcome.status == 1
    line = outcome.err.splitlines()[-1]  # below notes on the photos
    assert line.startswith("auxseg: a step had a single image")
    assert "--batch-size" in line
    assert "Traceback" not in outcome.err


@pytest.mark.slow
def test_nothing_else_reaches_a_shell(root: Path, run: Path) -> None:
    """In a process of its own, where libraries could write to stderr past Python."""
    photos.write(root / "masks" / "02.png", photos.mask(2, 20, 30))
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    outcome = process(*line, "--epochs", "1", "--out", run)
    outcome.failed(1, str(root / "masks" / "02.png"))
    assert outcome.out == ""
