"""``auxseg predict``: masks at the photo's own size; a bad file stops nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from . import photos
from .command import auxseg


def entries(out: Path) -> list[dict[str, Any]]:
    return list(json.loads((out / "predictions.json").read_text(encoding="utf-8")))


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Photos of several sizes and formats, and a file that is none."""
    folder = tmp_path / "album"
    photos.write(folder / "wide.jpg", photos.photo(0, 90, 50))
    photos.write(folder / "tall.png", photos.photo(1, 33, 71))
    photos.write(folder / "dot.bmp", photos.photo(2, 9, 7))
    photos.write(folder / "grey.jpeg", photos.photo(3)[..., 0])
    photos.write(folder / "alpha.png", cv2.cvtColor(photos.photo(4), cv2.COLOR_BGR2BGRA))
    photos.write(folder / "large.webp", photos.photo(5, 400, 300))
    (folder / "notes.txt").write_text("not a photo")
    return folder


SIZES = {
    "alpha": (photos.WIDTH, photos.HEIGHT),
    "dot": (9, 7),
    "grey": (photos.WIDTH, photos.HEIGHT),
    "large": (400, 300),
    "tall": (33, 71),
    "wide": (90, 50),
}


def test_a_folder_of_all_sizes_and_formats(trained: Path, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    outcome = auxseg("predict", trained, album, "--out", out).succeeded()
    assert outcome.err == ""
    assert "6 of 6" in outcome.out
    names = {f"{stem}_{kind}.png" for stem in SIZES for kind in ("mask", "overlay")}
    tables = {"predictions.json", "areas.csv", ".predicted.jsonl"}
    assert {path.name for path in out.iterdir()} == names | tables
    for stem, (width, height) in SIZES.items():
        mask = picture(out / f"{stem}_mask.png")
        assert (mask.shape, mask.dtype) == ((height, width), np.uint8)
        assert set(np.unique(mask)) <= {0, 1}
        assert picture(out / f"{stem}_overlay.png").shape == (height, width, 3)


def test_predictions_json(trained: Path, album: Path, tmp_path: Path) -> None:
    auxseg("predict", trained, album, "--out", tmp_path / "out").succeeded()
    found = entries(tmp_path / "out")
    assert [Path(entry["image"]).stem for entry in found] == sorted(SIZES)
    for entry in found:
        width, height = SIZES[Path(entry["image"]).stem]
        assert {"image", "class", "probability", "box"} <= entry.keys()
        assert (entry["width"], entry["height"]) == (width, height)
        assert entry["class"] in ("cat", "dog")
        assert 0.5 <= entry["probability"] <= 1
        xmin, ymin, xmax, ymax = entry["box"]
        assert 0 <= xmin <= xmax <= width
        assert 0 <= ymin <= ymax <= height


def test_a_photo_is_predicted_alike_alone_and_in_company(
    trained: Path, album: Path, tmp_path: Path
) -> None:
    auxseg("predict", trained, album, "--out", tmp_path / "all").succeeded()
    auxseg("predict", trained, album / "wide.jpg", "--out", tmp_path / "one").succeeded()
    all_, one = (picture(tmp_path / name / "wide_mask.png") for name in ("all", "one"))
    np.testing.assert_array_equal(all_, one)
    (alone,) = entries(tmp_path / "one")
    (beside,) = (e for e in entries(tmp_path / "all") if e["image"] == alone["image"])
    assert alone["probability"] == pytest.approx(beside["probability"], abs=1e-5)
    assert alone["box"] == pytest.approx(beside["box"], abs=0.02)


def test_a_broken_photo_among_good_ones(trained: Path, album: Path, tmp_path: Path) -> None:
    photos.truncate(album / "grey.jpeg")
    (album / "fake.jpg").write_text("no photo at all")
    out = tmp_path / "out"
    outcome = auxseg("predict", trained, album, "--out", out)
    assert outcome.status == 1
    fake, grey = outcome.err.splitlines()
    assert str(album / "fake.jpg") in fake
    assert str(album / "grey.jpeg") in grey
    assert "Traceback" not in outcome.err
    assert "5 of 7" in outcome.out
    assert len(entries(out)) == 5
    assert (out / "wide_mask.png").is_file()
    assert not (out / "grey_mask.png").exists()


def test_files_and_folders_together(trained: Path, album: Path, tmp_path: Path) -> None:
    single = photos.write(tmp_path / "single.png", photos.photo(8))
    outcome = auxseg("predict", trained, single, album, "--out", tmp_path / "out").succeeded()
    assert "7 of 7" in outcome.out
    assert (tmp_path / "out" / "single_mask.png").is_file()


def test_same_stems_do_not_overwrite_each_other(trained: Path, tmp_path: Path) -> None:
    sizes = {"a/cat.jpg": (20, 30), "b/cat.jpg": (31, 21), "b/cat.png": (22, 32)}
    for name, (width, height) in sizes.items():
        photos.write(tmp_path / name, photos.photo(0, width, height))
    out = tmp_path / "out"
    auxseg("predict", trained, *(tmp_path / name for name in sizes), "--out", out).succeeded()
    shapes = [picture(path).shape[::-1] for path in sorted(out.glob("*_mask.png"))]
    assert sorted(shapes) == sorted(sizes.values())
    assert len({entry["files"] for entry in entries(out)}) == 3


def test_a_missing_file_stops_before_anything_is_written(
    trained: Path, album: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.jpg"
    line = ("predict", trained, album, missing, "--out", tmp_path / "out")
    auxseg(*line).failed(2, str(missing))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_photos(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = ("predict", trained, tmp_path / "empty", "--out", tmp_path / "out")
    auxseg(*line).failed(2, str(tmp_path / "empty"), ".jpg")


def test_no_run(tmp_path: Path) -> None:
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    line = ("predict", tmp_path / "nothing", path, "--out", tmp_path / "out")
    auxseg(*line).failed(1, str(tmp_path / "nothing"))
    assert not (tmp_path / "out").exists()


def test_an_unknown_accelerator(trained: Path, album: Path, tmp_path: Path) -> None:
    line = ("predict", trained, album, "--out", tmp_path / "out", "--accelerator", "abacus")
    auxseg(*line).failed(2, "'abacus'", "cpu")


def test_the_output_folder_is_a_file(trained: Path, album: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    line = ("predict", trained, album, "--out", tmp_path / "out")
    auxseg(*line).failed(2, str(tmp_path / "out"))


def test_probabilities_and_polygons(trained: Path, album: Path, tmp_path: Path) -> None:
    line = ("predict", trained, album / "wide.jpg", "--out", tmp_path / "out")
    auxseg(*line, "--probabilities", "png", "--polygons", "coco").succeeded()
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"wide_probability_0.png", "wide_probability_1.png", "coco.json"} <= files
    auxseg(*line, "--probabilities", "jpg").failed(2, "--probabilities: 'jpg'", "png, npz")
    auxseg(*line, "--polygons", "voc").failed(2, "--polygons: 'voc'", "coco, labelme")


@pytest.mark.slow
def test_shards_on_a_cluster(trained: Path, album: Path, tmp_path: Path) -> None:
    """Rehearsed on this machine: every shard is a job of its own."""
    (album / "broken.jpg").write_text("no photo")
    line = ("predict", trained, album, "--out", tmp_path / "out", "--shards", "2")
    outcome = auxseg(*line, "--cluster", "local")
    assert outcome.status == 1
    assert "shard 0: " in outcome.out
    assert re.search("1 of [34] photos cannot be read: .*broken.jpg", outcome.out)
    assert len(entries(tmp_path / "out")) == 6
    auxseg("predict", trained, album, "--out", tmp_path / "here")
    for path in (tmp_path / "here").glob("*_mask.png"):
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_the_pace_is_told_where_there_is_no_bar(
    trained: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.progress.EVERY", 0.0)
    outcome = auxseg("predict", trained, album, "--out", tmp_path / "out").succeeded()
    assert re.search(r"^predicting: 6 of 6, [\d.]+ per second, 0 s left$", outcome.err, re.M)
