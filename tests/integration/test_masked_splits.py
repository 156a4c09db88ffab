"""A folder with few masks: photos with a mask validate, and what wants test images says so."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from . import photos, runs
from .command import TINY_MODEL, Outcome, auxseg

MASKS, BARE = 20, 30
NOTE = "images with a mask: 20 (10 in train, 10 in val)"


def train(root: Path, out: Path, *options: str | Path) -> Outcome:
    line = ("train", "segnet-1task", *TINY_MODEL, "--data", "folder", "--root", root)
    return auxseg(*line, "--epochs", "1", "--out", out, *options)


@pytest.fixture(scope="module")
def original(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Outcome]:
    """Photos of which every other one of the first 40 has a mask; a run on them; what it said."""
    folder = tmp_path_factory.mktemp("masked")
    root = photos.folder(folder / "photos", MASKS + BARE, masks=range(0, 2 * MASKS, 2))
    return root, folder / "run", train(root, folder / "run").succeeded()


@pytest.fixture
def run(original: tuple[Path, Path, Outcome], tmp_path: Path) -> Path:
    return Path(shutil.copytree(original[1], tmp_path / "run"))


def test_photos_with_a_mask_validate(original: tuple[Path, Path, Outcome]) -> None:
    root, run, outcome = original
    with (run / "split.csv").open(newline="", encoding="utf-8") as file:
        parts = {row["image"]: row["part"] for row in csv.DictReader(file)}
    assert Counter(parts.values()) == {"train": 40, "val": 10}
    stems = {path.stem for path in (root / "masks").iterdir()}
    assert {Path(name).stem for name, part in parts.items() if part == "val"} < stems
    assert outcome.err.count(NOTE) == 1
    assert runs.config(run)["data"]["split"] == "masked"


def test_it_is_said_where_the_split_is_drawn_and_nowhere_else(
    original: tuple[Path, Path, Outcome], run: Path, tmp_path: Path
) -> None:
    root, first, _ = original
    assert NOTE in auxseg("data", "check", root).succeeded().out
    line = ("data", "prepare", "--data", "folder", "--root", root, "--image-size", "32")
    assert NOTE in auxseg(*line).succeeded().out
    assert NOTE not in train(root, run, "--resume", "--epochs", "2").succeeded().err
    kept = train(root, tmp_path / "kept", "--split", first / "split.csv").succeeded()
    assert NOTE not in kept.err


def test_evaluate_names_the_part_that_there_is(run: Path) -> None:
    auxseg("evaluate", run).failed(1, "test", "no images", "--split val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    assert not (run / "metrics-test.json").exists()


def test_the_report_is_of_the_validation_images(run: Path, tmp_path: Path) -> None:
    auxseg("report", run, "--out", tmp_path / "page").succeeded()
    text = (tmp_path / "page" / "table.md").read_text(encoding="utf-8")
    assert "10 validation, 0 test images" in text
    assert "validation images (there are no test images)" in text


def test_nothing_measures_a_final_fit_on_all_masks(
    original: tuple[Path, Path, Outcome], tmp_path: Path
) -> None:
    final = tmp_path / "final"
    train(original[0], final, "--tuned", original[1]).succeeded()
    assert runs.config(final)["images"]["masks"] == MASKS
    auxseg("evaluate", final).failed(1, "test", "no images", "validation images were trained on")
    line = auxseg("report", final, "--out", tmp_path / "page").failed(1, str(final), "no test")
    assert "auxseg evaluate" not in line


@pytest.mark.thorough
def test_reproduce_compares_on_the_validation_images(
    original: tuple[Path, Path, Outcome], tmp_path: Path
) -> None:
    systems = ("--presets", "segnet-1task", "--jobs", "1", "--epochs", "1")
    line = ("reproduce", *TINY_MODEL, "--data", "folder", "--root", original[0], *systems)
    first = auxseg(*line, "--out", tmp_path / "out").succeeded()
    assert NOTE in first.err
    assert "validation images (there are no test images)" in first.out
    again = auxseg(*line, "--out", tmp_path / "out").succeeded()
    assert "test IoU" not in first.out + again.out
    outcome = auxseg(*line, "--train-on", "train+val", "--out", tmp_path / "all")
    outcome.failed(1, "test", "no images", "--train-on train+val")
    assert not (tmp_path / "all").exists()


def test_one_mask_is_too_few_to_validate_on(cache: Path, tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", 6, masks=[2])
    train(root, tmp_path / "run").failed(1, "val", "no images", "--train-on train+val")
    assert not (tmp_path / "run").exists()
    train(root, tmp_path / "run", "--train-on", "train+val").succeeded()
