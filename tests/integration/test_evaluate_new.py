"""``auxseg evaluate RUN --root NEW``: labelled photos that came after training."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from . import photos, runs
from .command import TINY_MODEL, auxseg


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with masks, classes and boxes, and a run on it."""
    folder = tmp_path_factory.mktemp("original")
    root = photos.folder(folder / "photos", count=10)
    (root / "classes.txt").write_text("background\ndisc\nnever\n")
    photos.table(root, [photos.row(n, part=photos.part_of(n, 10)) for n in range(10)])
    line = ("train", "segnet-3task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--epochs", "1", "--out", folder / "run").succeeded()
    return root, folder / "run"


@pytest.fixture
def run(original: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(original[1], tmp_path / "run"))


@pytest.fixture
def later(original: tuple[Path, Path], tmp_path: Path) -> Path:
    """The two test photos of the run and no others, under other names, with their labels."""
    root = tmp_path / "later"
    for number in (8, 9):
        photos.write(root / "images" / f"later-{number}.jpg", photos.photo(number))
        photos.write(root / "masks" / f"later-{number}.png", photos.mask(number))
        # The same bytes: JPEG would not give the same pixels of its own.
        shutil.copy(
            original[0] / "images" / f"{number:02}.jpg", root / "images" / f"later-{number}.jpg"
        )
    (root / "classes.txt").write_text("background\ndisc\nnever\n")
    write_labels(root)
    return root


def write_labels(root: Path, numbers: tuple[int, ...] = (8, 9), **known: bool) -> None:
    """Their labels.csv, without a column split."""
    rows = [f"later-{photos.row(number, **known)[1:]}" for number in numbers]  # type: ignore[arg-type]
    header = photos.HEADER.removesuffix(",split")
    photos.table(root, [row.removesuffix(",") for row in rows], header)


def test_new_photos_are_measured_as_they_would_have_been(run: Path, later: Path) -> None:
    auxseg("evaluate", run).succeeded()
    auxseg("evaluate", run, "--root", later).succeeded()
    assert runs.metrics(run, "new") == runs.metrics(run, "test")
    assert (run / "confusion-segmentation-new.csv").is_file()


def test_classes_are_told_by_name(run: Path, later: Path) -> None:
    """Those of the masks in another order, one class of the images less."""
    auxseg("evaluate", run, "--root", later).succeeded()
    expected = runs.metrics(run, "new")
    (later / "classes.txt").write_text("disc\nbackground\n")
    for path in (later / "masks").iterdir():
        photos.write(path, 1 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    auxseg("evaluate", run, "--root", later).succeeded()
    assert runs.metrics(run, "new") == expected
    write_labels(later, (9,))  # "dog" alone, the run's second class
    auxseg("evaluate", run, "--root", later).succeeded()
    found = runs.metrics(run, "new")
    assert found["segmentation/iou"] == expected["segmentation/iou"]
    assert found["classification/accuracy"] in (0.0, 1.0)
    assert 2 * expected["classification/accuracy"] - found["classification/accuracy"] in (0, 1)


@pytest.mark.parametrize("column", ["label", "box", "table"])
def test_kinds_of_labels_may_be_missing(column: str, run: Path, later: Path) -> None:
    write_labels(later, label=column != "label", box=column != "box")
    if column == "table":
        (later / "labels.csv").unlink()
    auxseg("evaluate", run, "--root", later).succeeded()
    metrics = runs.metrics(run, "new")
    assert metrics["segmentation/iou"] is not None
    assert (metrics["classification/accuracy"] is None) == (column != "box")
    assert (metrics["bbox/iou"] is None) == (column != "label")


def test_a_class_that_the_run_does_not_know_is_named(run: Path, later: Path) -> None:
    (later / "classes.txt").write_text("background\nsquare\n")
    auxseg("evaluate", run, "--root", later).failed(2, "'square'", "background, disc, never")


def test_classes_that_no_task_learned_do_not_matter(
    original: tuple[Path, Path], later: Path, tmp_path: Path
) -> None:
    run = tmp_path / "alone"
    line = ("train", "segnet-1task", "--data", "folder", "--root", original[0], *TINY_MODEL)
    auxseg(*line, "--epochs", "1", "--out", run).succeeded()
    table = (later / "labels.csv").read_text().replace("cat", "bird").replace("dog", "fish")
    (later / "labels.csv").write_text(table)
    auxseg("evaluate", run, "--root", later).succeeded()
    auxseg("evaluate", original[1], "--root", later).failed(2, "'bird'", "cat, dog")


def test_photos_that_were_added_to_the_run_s_own(
    original: tuple[Path, Path], run: Path, later: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(original[0], tmp_path / "grown"))
    line = ("evaluate", run, "--root", root)
    auxseg(*line, "--split", "new").failed(1, "all of its 10 images", "no new one")
    for folder in ("images", "masks"):
        for path in (later / folder).iterdir():
            shutil.copy(path, root / folder)
    parts = [photos.row(n, part=photos.part_of(n, 10)) for n in range(10)]
    photos.table(root, [*parts, *(f"later-{photos.row(n, part='train')[1:]}" for n in (8, 9))])
    auxseg(*line).succeeded()  # some are the run's: its own test photos
    auxseg(*line, "--split", "new").succeeded()
    assert runs.metrics(run, "new") == runs.metrics(run, "test")
    np.testing.assert_equal(len((run / "images-new.csv").read_text().splitlines()), 3)
