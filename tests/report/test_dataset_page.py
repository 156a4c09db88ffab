"""The page about a data set: its tables' numbers, and which photos it shows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.checks import Report, check_root
from auxseg.report.dataset import worth_seeing
from auxseg.report.dataset.page import write_dataset_page
from auxseg.report.dataset.sheets import Tile, picture
from auxseg.report.dataset.tables import class_table, part_table, size_table


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos: one without a mask, one broken; a rare class, a tiny thing, an inverted mask, and
    one photo twice, in two parts."""
    root = tmp_path_factory.mktemp("photos")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rows = []
    for number in range(10):
        seed = 4 if number == 9 else number
        draw = np.random.default_rng(seed)
        small = Image.fromarray(draw.integers(0, 256, (6, 8, 3), np.uint8))
        small.resize((80, 60), Image.Resampling.BICUBIC).save(root / "images" / f"{number}.jpg")
        mask = np.zeros((60, 80), np.uint8)
        mask[10:40, 20:60] = 1
        if number == 3:
            mask[50:55, 70:75] = 2
        if number == 5:
            mask[0, 79] = 1
        if number == 6:
            mask = 1 - mask
        if number != 8:
            Image.fromarray(mask).save(root / "masks" / f"{number}.png")
        part = ["train", "train", "val", "train", "train", "train", "test", "val", "train", "test"]
        box = ["20", "10", "60", "40"] if number == 0 else [""] * 4
        rows.append([f"{number}.jpg", "ab"[number % 2], *box, part[number]])
    (root / "images" / "1.jpg").write_bytes(b"broken")
    (root / "classes.txt").write_text("ground\nleaf\nbug\n")
    with (root / "labels.csv").open("w", newline="") as stream:
        header = ["image", "label", "xmin", "ymin", "xmax", "ymax", "split"]
        csv.writer(stream).writerows([header, *rows])
    return root


@pytest.fixture(scope="module")
def report(root: Path) -> Report:
    return check_root(root, details=True)


def test_tables_count_each_part(report: Report) -> None:
    parts = {row[0]: row[1:] for row in part_table(report)}
    assert parts[""] == ["all", "train", "val", "test"]
    assert parts["images"] == ["10", "6", "2", "2"]
    assert parts["readable"] == ["9", "5", "2", "2"]
    assert parts["with mask"] == ["8", "4", "2", "2"]
    assert parts["with box"] == ["1", "1", "0", "0"]
    assert parts["of b"] == ["4", "2", "1", "1"]  # the broken one's class is not read
    assert size_table(report) == [["size", "images"], ["80 × 60 pixels", "9"]]
    classes = {row[0]: row[1:] for row in class_table(report)}
    assert classes["bug"][0] == "1"
    assert classes["bug"][1] == f"{25 / (8 * 4800):.2%}"
    assert classes["bug"][4:] == ["0", "0.00%", "0", "0.00%"]


def test_what_is_shown(report: Report) -> None:
    names = report.dataset.name
    rare = worth_seeing.rarest_classes(report)
    assert (names(rare[0].index), rare[0].text) == ("3.jpg", "bug: in 1 photos")
    assert [names(one.index) for one in worth_seeing.smallest_things(report)][:2] == [
        "5.jpg",
        "3.jpg",
    ]
    assert names(worth_seeing.unlike_others(report)[0].index) == "6.jpg"
    twins = worth_seeing.look_alikes(report)
    assert [(names(one.index), one.text) for one in twins] == [
        ("9.jpg", "in test"),
        ("4.jpg", "in train"),
    ]
    assert len(worth_seeing.spread_out(report)) == 8


def test_labels_are_drawn_over_the_photo(report: Report) -> None:
    drawn = picture(report.dataset, Tile(0, ""))
    assert max(drawn.shape) == 260
    bare = picture(report.dataset, Tile(8, ""))
    mask = np.zeros((60, 80), bool)
    mask[10:40, 20:60] = True
    photo = report.dataset.read(0).image
    inside = (np.abs(picture_at_size(report, 0).astype(int) - photo).sum(axis=2) > 30)[mask]
    assert inside.mean() > 0.9
    assert bare.shape == drawn.shape


def picture_at_size(report: Report, number: int) -> np.ndarray:
    """The photo as drawn, uncut and not enlarged."""
    drawn = picture(report.dataset, Tile(number, "", (0, 0, 80)))
    scale = drawn.shape[1] // 80
    return drawn[::scale, ::scale]


def test_the_page_is_one_file(report: Report, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_dataset_page(page, report, "the data of photos")
    text = page.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    assert "http" not in text.replace("http://www.w3.org", "")
    for words in (
        "1.jpg: not an image",
        "Rare classes",
        "Look-alikes",
        "copies of training images",
    ):
        assert words in text
    assert text.count("<img") == 5


def test_a_folder_of_bare_photos_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "photos" / "a.png")
    write_dataset_page(
        tmp_path / "page.html", check_root(tmp_path / "photos", details=True), "photos"
    )
    assert "no image has a mask" in (tmp_path / "page.html").read_text(encoding="utf-8")
