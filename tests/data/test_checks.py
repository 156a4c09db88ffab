"""The check counts what is there and lists everything that is not as it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.checks import check, check_root, detect
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.errors import DataError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images a to e, masks for a to d (a quarter of each is foreground), labels for all."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[0] = 1
    for stem in "abcde":
        Image.new("RGB", (4, 4), (200, ord(stem), 0)).save(tmp_path / "images" / f"{stem}.png")
        if stem != "e":
            Image.fromarray(mask).save(tmp_path / "masks" / f"{stem}.png")
    (tmp_path / "classes.txt").write_text("back\nfront\nnever\n")
    rows = ["image,label,xmin,ymin,xmax,ymax", "a,x,0,0,2,2", *(f"{s},y,,,," for s in "bcde")]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def test_counts(root: Path) -> None:
    report = check(Folder(root))
    assert list(report.counts.items()) == [
        ("images", "5"),
        ("readable", "5"),
        ("with mask", "4"),
        ("with class", "5"),
        ("with box", "1"),
        ("images of x", "1"),
        ("images of y", "4"),
        ("images in train", "3"),
        ("images in val", "2"),
        ("images in test", "0"),
        ("pixels of back", "75.0 %"),
        ("pixels of front", "25.0 %"),
        ("pixels of never", "0.0 %"),
        ("masks with front", "4"),
        ("masks with never", "0"),
    ]
    assert report.problems == ()
    bare, few = report.notes
    assert bare == "1 of 5 images have no mask (first: e.png)"
    assert "no test part" in few


def test_pixels_that_are_not_labelled_are_counted(root: Path) -> None:
    report = check_root(root, ignore_index=1)
    assert report.counts["pixels not labelled"] == "25.0 %"


def test_every_problem_is_listed_not_only_the_first(root: Path) -> None:
    (root / "images" / "a.png").write_bytes(b"")
    (root / "images" / "b.png").write_bytes(b"no image")
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(root / "masks" / "c.png")
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(root / "masks" / "d.png")
    Image.new("L", (4, 4)).save(root / "masks" / "stray.png")
    with (root / "labels.csv").open("a") as table:
        table.write("\nnobody,x,,,,\nalso,x,,,,\n")
    report = check_root(root)
    found = "\n".join(report.problems)
    for text in (
        "stray.png: there is no image",
        "line 7: there is no image 'nobody'",
        "line 8: there is no image 'also'",
        "a.png: the file is empty",
        "b.png: not an image",
        "c.png: mask value 9",
        "d.png: 2 × 2 pixels",
    ):
        assert text in found
    assert len(report.problems) == 7
    assert report.counts["images"] == "5"
    assert report.counts["readable"] == "3"
    assert report.counts["with mask"] == "0"


def test_what_training_would_refuse_for_want_of_masks(root: Path) -> None:
    parts = dict(zip("abcde", ("train", "train", "test", "test", "val"), strict=True))
    rows = [f"{stem}.png,{part}" for stem, part in parts.items()]
    (root / "labels.csv").write_text("\n".join(["image,split", *rows]))
    assert check(Folder(root)).problems == (
        "none of the 1 images in val has a mask to choose the best epoch by; 4 others have one",
    )
    (root / "labels.csv").unlink()
    for stem in "bcd":
        (root / "masks" / f"{stem}.png").unlink()
    assert check(Folder(root)).problems == (
        "none of the 0 images in val has a mask to choose the best epoch by; 1 others have one",
    )
    (root / "masks" / "a.png").unlink()
    (root / "masks").rmdir()
    (root / "classes.txt").unlink()
    assert check(Folder(root)).problems == (
        "no image has a mask: there is nothing to learn segmentation from",
    )


def test_a_problem_met_twice_is_listed_once(root: Path) -> None:
    (root / "classes.txt").unlink()
    (root / "masks" / "a.png").write_bytes(b"")
    (problem,) = check_root(root).problems
    assert problem.endswith("a.png: the file is empty")


def test_detect(tmp_path: Path, root: Path) -> None:
    assert detect(root) == "folder"
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(DataError) as caught:
        detect(bare)
    for needed in ("annotations/list.txt", "{train,val,test}/{images,masks", "images/ or image"):
        assert needed in str(caught.value)
    Image.new("RGB", (4, 4)).save(bare / "cat.jpg")
    assert detect(bare) == "folder"
    (bare / "val").mkdir()
    (bare / "val" / "masks.h5").touch()
    assert detect(bare) == "oxpet-h5"
    (bare / "annotations").mkdir()
    (bare / "annotations" / "list.txt").touch()
    assert detect(bare) == "oxford-pet"
    with pytest.raises(DataError, match="nowhere: no such folder"):
        detect(tmp_path / "nowhere")


def test_unknown_name(root: Path) -> None:
    with pytest.raises(UsageError, match="data: 'coco' is not one of oxford-pet, folder, oxpet-h5"):
        check_root(root, "coco")


def test_real_images(shared: Path) -> None:
    report = check_root(shared / "data" / "oxford-iiit-pet")
    expected = {"images": "399", "readable": "399", "with mask": "399", "with box": "296"}
    assert {key: report.counts[key] for key in expected} == expected
    assert report.counts["images of cat"] == "266"
    assert report.problems == ()


def bright(path: Path, level: int) -> None:
    pixels = np.random.default_rng(level).integers(level, level + 9, (6, 6, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def notes(tmp_path: Path) -> str:
    return "\n".join(check(Folder(tmp_path)).notes)


def test_copies_are_counted_and_those_across_parts_told(tmp_path: Path) -> None:
    parts = ["train", "train", "val", "test", "train"]
    for number, level in enumerate((50, 60, 50, 70, 60)):
        bright(tmp_path / f"{number}.png", level)
    rows = ["image,label,split", *(f"{n}.png,x,{part}" for n, part in enumerate(parts))]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    found = notes(tmp_path)
    assert "4 images are copies of one another, in 2 groups (first: 0.png, 2.png)" in found
    assert "1 of 1 val images are copies of training images (first: 2.png is the same as 0" in found
    assert "test images" not in found


def test_nearly_black_images_are_told(tmp_path: Path) -> None:
    for number in range(3):
        bright(tmp_path / f"{number}.png", number)
    assert "3 of 3 images are nearly black" in notes(tmp_path)
    for number in range(3, 6):
        bright(tmp_path / f"{number}.png", 40 + number)
    assert "nearly black" not in notes(tmp_path)


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    for folder in ("images/site", "masks/site"):
        (tmp_path / folder).mkdir(parents=True)
    bright(tmp_path / "images" / "a.png", 50)
    bright(tmp_path / "images" / "site" / "b.png", 60)
    Image.new("L", (6, 6)).save(tmp_path / "masks" / "site" / "b.png")
    (tmp_path / "images" / "c.CR2").write_bytes(b"raw")
    found = notes(tmp_path)
    assert "photos in sub-folders are not read: site/ (1)" in found
    assert "c.CR2 (camera raw)" in found
    assert "1 masks in sub-folders are not read" in found


def test_a_mask_of_a_photo_that_is_not_read_is_a_problem(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    bright(tmp_path / "images" / "a.png", 50)
    (tmp_path / "images" / "IMG_1.HEIC").write_bytes(b"heic")
    Image.new("L", (6, 6)).save(tmp_path / "masks" / "IMG_1.png")
    (problem,) = check_root(tmp_path).problems
    assert "IMG_1.HEIC is in a format that is not read (HEIC)" in problem
