"""``--fit letterbox`` and ``--fit tile`` from training to exported file, on photos of any shape.

What stands in the way of both is that a photo is not the square that the network sees: whoever
forgets that somewhere moves masks and boxes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import auxseg as api

from . import photos, runs
from .command import TINY_MODEL, auxseg
from .test_evaluate_native import SIZES, counted, ious

BOX = "image,label,xmin,ymin,xmax,ymax,split"
TRAIN = {
    "letterbox": ("segnet-3task", "--fit", "letterbox", "--tasks.options.bbox.scale", "40"),
    "tile": ("mtan-canny", "--tasks.names", "segmentation,edges", "--fit", "tile"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of many sizes with masks, classes and boxes; the last has no mask."""
    folder = tmp_path_factory.mktemp("fit")
    root, rows = folder / "photos", []
    for number in range(18):
        width, height = SIZES[number % len(SIZES)]
        photos.write(root / "images" / f"{number:02}.png", photos.photo(number, width, height))
        mask = photos.mask(number, width, height)
        ys, xs = np.nonzero(mask)
        box = ",".join(str(int(side)) for side in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        label = ("cat", "dog")[number % 2]
        rows.append(f"{number:02}.png,{label},{box},{photos.part_of(number, 18)}")
        if number != 17:
            photos.write(root / "masks" / f"{number:02}.png", mask)
    (root / "classes.txt").write_text("background\ndisc\n")
    photos.table(root, rows, header=BOX)
    return folder


def train(folder: Path, fit: str, out: str, *more: str) -> Path:
    line = ("--data", "folder", "--root", folder / "photos", *TINY_MODEL, *TRAIN[fit][1:])
    auxseg("train", TRAIN[fit][0], *line, *more, "--out", folder / out).succeeded()
    return folder / out


@pytest.fixture(scope="module")
def letterbox(folder: Path) -> Path:
    return train(folder, "letterbox", "letterbox", "--epochs", "1")


@pytest.fixture(scope="module")
def tile(folder: Path) -> Path:
    return train(folder, "tile", "tile", "--epochs", "1")


@pytest.fixture(scope="module", params=TRAIN)
def run(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


@pytest.fixture(scope="module")
def masks(run: Path) -> Path:
    out = run.parent / f"masks-{run.name}"
    auxseg("predict", run, run.parent / "photos" / "images", "--out", out).succeeded()
    return out


def test_native_metrics_are_what_predict_s_masks_come_to(run: Path, masks: Path) -> None:
    whole = np.sum(list(counted(run, masks).values()), axis=0)
    auxseg("evaluate", run, "--native").succeeded()
    metrics = runs.metrics(run, "test-native")
    assert metrics["segmentation/iou_per_class"] == pytest.approx([*ious(whole)])


def test_what_is_measured_counts_every_pixel_of_the_photos_once(run: Path) -> None:
    """Letterboxed photos are measured without their padding; of tiles no pixel counts twice."""
    auxseg("evaluate", run).succeeded()
    table = (run / "confusion-segmentation-test.csv").read_text().splitlines()
    rows = [line.split(",")[1:] for line in table[1:]]
    total = sum(int(cell) for row in rows for cell in row)
    areas = [np.prod(SIZES[n % len(SIZES)]) for n in range(15, 17)]
    if run.name == "letterbox":
        shapes = [np.array(SIZES[n % len(SIZES)]) for n in range(15, 17)]
        areas = [np.prod(np.round(32 * shape / shape.max())) for shape in shapes]
    assert total == sum(areas)
    assert set(runs.metrics(run, "test")) >= {"segmentation/iou", "segmentation/f1"}


def test_boxes_are_in_the_photo_s_pixels(letterbox: Path) -> None:
    """The network's answer, put back by hand from the square to the photo."""
    predictor = api.load(letterbox)
    photo = photos.photo(1, 31, 77)
    found = predictor.predict(photo)
    (outputs,) = predictor.run([predictor.shrink(photo)])
    square = (outputs.tasks["bbox"] + 0.5).numpy() * 32  # 13×32 pixels of it are the photo
    expected = (square - [9, 0, 9, 0]) * np.tile([31 / 13, 77 / 32], 2)
    expected = np.sort(np.clip(expected, 0, np.tile([31, 77], 2)).reshape(2, 2), axis=0).ravel()
    np.testing.assert_allclose(found.box, expected, atol=0.02)


@pytest.mark.thorough
def test_an_exported_file_finds_the_same(tile: Path) -> None:
    file = tile.parent / "tile.onnx"
    auxseg("export", tile, "--out", file).succeeded()
    photo = photos.photo(0, 90, 33)
    one, other = (api.load(path).predict(photo, probabilities=True) for path in (tile, file))
    for planes in zip(one.probabilities or (), other.probabilities or (), strict=True):
        np.testing.assert_allclose(*planes, atol=1e-4)
    assert one.probabilities is not None


def test_probabilities_agree_with_the_mask(run: Path) -> None:
    found = api.load(run).predict(photos.photo(0, 90, 33), probabilities=True)
    assert found.probabilities is not None
    planes = np.stack([*found.probabilities])
    assert planes.shape == (2, 33, 90)
    np.testing.assert_allclose(planes.sum(axis=0), 1, atol=1e-3)
    clear = np.abs(planes[1] - planes[0]) > 1e-3
    assert clear.any()
    assert found.mask is not None
    np.testing.assert_array_equal(planes.argmax(axis=0)[clear], found.mask[clear])


def test_stopped_and_resumed_is_as_never_stopped(folder: Path) -> None:
    line = ("--training.validate_every", "3", "--steps", "6")
    whole = train(folder, "tile", "whole", *line)
    half = train(folder, "tile", "half", *line, "--training.stop_after", "1")
    assert not runs.identical(runs.last(whole), runs.last(half))
    train(folder, "tile", "half", *line, "--training.stop_after", "2", "--resume")
    assert runs.identical(runs.last(whole), runs.last(half))


def test_an_epoch_shows_each_photo_as_often_as_it_has_tiles(tile: Path) -> None:
    """Photos of 48×40, 31×77, 90×33, 64×64, 20×21 and 33×32 pixels: 4, 3, 6, 4, 1, 2 tiles."""
    steps = len((tile / "steps.csv").read_text().splitlines()) - 1
    assert steps == 3 * 3  # 11 photos in batches of 5, and 38 tiles of 11 photos: 3 passes


def test_the_report_s_pages(run: Path) -> None:
    out = run.parent / f"report-{run.name}"
    auxseg("report", run, "--out", out).succeeded()
    page = (out / "report.html").read_text()
    assert "32×32" in page
    assert run.name.removesuffix("box") in page


def test_what_crops_do_not_show(folder: Path, tile: Path) -> None:
    line = ("train", "segnet-3task", "--data", "folder", "--root", folder / "photos", *TINY_MODEL)
    said = auxseg(*line, "--fit", "tile", "--out", folder / "none")
    said.failed(2, "--fit tile: classification, bbox", "--fit letterbox")
    for option in (("--data.scale", "0.5"), ("--data.rare_crops", "0.1")):
        auxseg(*line, *option, "--out", folder / "none").failed(2, option[0][2:], "data.fit tile")
    auxseg(*line, "--fit", "crop", "--out", folder / "none").failed(2, "data.fit", "letterbox")
    assert not (folder / "none").exists()
    line = ("predict", tile, folder / "photos" / "images", "--out", folder / "none")
    auxseg(*line, "--attention").failed(2, "--attention", "tiles")


def test_runs_that_see_photos_otherwise_do_not_answer_together(letterbox: Path, tile: Path) -> None:
    line = ("predict", letterbox, letterbox.parent / "photos" / "images")
    said = auxseg(*line, "--out", letterbox.parent / "none", "--with", tile)
    said.failed(2, "--with", "letterbox", "tiles")
    auxseg("evaluate", letterbox, "--with", tile).failed(2, "--with", "letterbox", "tiles")


def test_caches_are_named_by_what_they_keep(folder: Path, tmp_path: Path) -> None:
    line = ("data", "prepare", "--data", "folder", "--root", folder / "photos")
    place = ("--cache-dir", tmp_path)
    store = ("--data.cache_dir", tmp_path)
    said = auxseg(*line, "--fit", "tile", "--data.scale", "0.5", *store).succeeded()
    assert "18 images at 0.5 times their own size" in said.out
    auxseg(*line, "--fit", "letterbox", "--image-size", "16", *store).succeeded()
    listed = auxseg("data", "cache", *place).succeeded().out
    assert "at 0.5 times their own size" in listed
    assert "at 16×16 (letterbox)" in listed
    assert json.loads(next(tmp_path.rglob("*tile-0.5*/meta.json")).read_text())["count"] == 18
