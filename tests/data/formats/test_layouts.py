"""Folders as other people lay them out: each mask with its own photo, or with none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.data.decode import read_image
from auxseg.data.formats.base import Options
from auxseg.data.formats.convert import convert
from auxseg.data.formats.files import part_of
from auxseg.data.formats.frames import Frame
from auxseg.data.formats.pairs import find_pairs
from auxseg.errors import DataError, UsageError

from . import sources
from .test_odd_files import coco_file, labelme_file, png, save_turned, told
from .test_round_trip import assert_same, masks_of


def put(root: Path, *files: str) -> Path:
    """Photos and masks of those names: a mask's seed is the number in its folder and name."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sources.photo(len(file))).save(path)
    return root


def paired(root: Path) -> dict[str, list[str]]:
    """Photo → its masks, from the source on; photos without one are missing."""
    pairs = find_pairs(root)
    return {
        photo.relative_to(root).as_posix(): [one.path.relative_to(root).as_posix() for one in masks]
        for photo, masks in pairs.masks.items()
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Kaggle: parts with masks beside them.
        (
            ("train/1.png", "test/1.png", "train_masks/1.png"),
            {"train/1.png": ["train_masks/1.png"]},
        ),
        (("train/1.jpg", "val/1.jpg", "val_masks/1.png"), {"val/1.jpg": ["val_masks/1.png"]}),
        (
            ("train/1.png", "trainannot/1.png", "val/1.png", "valannot/1.png"),
            {"train/1.png": ["trainannot/1.png"], "val/1.png": ["valannot/1.png"]},
        ),
        # One mask, two photos that it may be of: neither gets it.
        (("images/a/1.jpg", "images/b/1.jpg", "masks/1.png"), {}),
        (
            ("images/a/1.jpg", "images/b/1.jpg", "masks/a/1.png", "masks/b/1.png"),
            {"images/a/1.jpg": ["masks/a/1.png"], "images/b/1.jpg": ["masks/b/1.png"]},
        ),
        (("images/a/1.jpg", "masks/1.png"), {"images/a/1.jpg": ["masks/1.png"]}),
        # The photo's ending within the mask's name; a wrapper; a folder per photo.
        (("images/a.jpg", "masks/a.jpg.png"), {"images/a.jpg": ["masks/a.jpg.png"]}),
        (("images/1.jpg", "masks/1/1.png"), {"images/1.jpg": ["masks/1/1.png"]}),
        (
            ("images/1.jpg", "annotations/png_v2/1.png"),
            {"images/1.jpg": ["annotations/png_v2/1.png"]},
        ),
        # labelme2voc writes pictures of its masks beside them; photos without labels are photos.
        (
            ("JPEGImages/1.jpg", "SegmentationClassVisualization/1.jpg", "SegmentationClass/1.png"),
            {"JPEGImages/1.jpg": ["SegmentationClass/1.png"]},
        ),
        (
            ("img/1.jpg", "masks_machine/1.png", "masks_human/1.png"),
            {"img/1.jpg": ["masks_machine/1.png"]},
        ),
        (
            ("images/1.jpg", "unlabelled/2.jpg", "masks/2.png"),
            {"unlabelled/2.jpg": ["masks/2.png"]},
        ),
    ],
)
def test_pairs(files: tuple[str, ...], expected: dict[str, list[str]], tmp_path: Path) -> None:
    assert paired(put(tmp_path, *files)) == expected


def test_wrappers_are_no_classes(tmp_path: Path) -> None:
    for files in (("images/1.jpg", "masks/v2/1.png"), ("images/1.jpg", "masks/1/1.png")):
        pairs = find_pairs(put(tmp_path / files[1].replace("/", "-"), *files))
        assert not pairs.by_class
        assert [one.category for ones in pairs.masks.values() for one in ones] == [None]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("trainannot", "train"),
        ("val_masks", "val"),
        ("a/testing/b", "test"),
        ("training/cam1", "train"),
        ("trainer", None),
        ("test/train", "train"),
        ("train_val", None),
    ],
)
def test_parts_by_name(path: str, part: str | None) -> None:
    assert part_of(Path(path)) == part


def test_many_photos_of_one_name_take_no_time(tmp_path: Path) -> None:
    """3,000 folders; the files are empty, for their names alone count."""
    for number in range(3000):
        for kind, ending in (("images", "jpg"), ("masks", "png")):
            (tmp_path / kind / f"{number}").mkdir(parents=True)
            (tmp_path / kind / f"{number}" / f"x.{ending}").touch()
    found = paired(tmp_path)
    assert len(found) == 3000
    assert found["images/7/x.jpg"] == ["masks/7/x.png"]


def test_a_mask_of_a_photo_that_is_not_there_is_none_of_another(tmp_path: Path) -> None:
    masks = {"a": sources.mask(0), "b": sources.mask(1), "frame_1": sources.mask(2)}
    (tmp_path / "s" / "images").mkdir(parents=True)
    (tmp_path / "s" / "masks").mkdir()
    for name, mask in masks.items():
        Image.fromarray(sources.photo()).save(tmp_path / "s" / "images" / f"{name}.png")
        lost = "frame_1_2" if name == "frame_1" else name
        Image.fromarray(mask).save(tmp_path / "s" / "masks" / f"{lost}.png")
    done = convert(tmp_path / "s", tmp_path / "out")
    assert masks_of(done.out).keys() == {"a", "b"}
    assert "frame_1_2.png" in told(done, "left out")


# -- label files beside pictures of masks, and photos of other parts -------------------------------


def test_pictures_of_masks_are_no_photos(tmp_path: Path) -> None:
    root = tmp_path / "s"
    put(root, "images/1.png", "labels/1.png")
    (root / "labels" / "1.txt").write_text("0 0 0 0.5 0 0.5 1 0 1\n")
    done = convert(root, tmp_path / "out")
    assert [path.name for path in (done.out / "images").iterdir()] == ["1.png"]
    assert (masks_of(done.out)["1"][:, :30] == 1).all()


@pytest.mark.parametrize(
    ("photos", "labels", "drawn"),
    [
        (("images/val/1.jpg",), ("labels/train/1.txt", "labels/val/1.txt"), ["1"]),
        (("images/cam2/1.jpg",), ("labels/cam1/1.txt",), None),
        (
            ("images/cam1/1.jpg", "images/cam2/1.jpg"),
            ("labels/cam1/1.txt", "labels/cam2/1.txt"),
            ["images_cam1_1", "images_cam2_1"],
        ),
        (("train/images/1.jpg",), ("train/labels/1.txt",), ["1"]),
        (("1.jpg",), ("1.txt",), ["1"]),
    ],
)
def test_yolo_s_labels_are_of_the_photo_in_the_same_place(
    photos: tuple[str, ...], labels: tuple[str, ...], drawn: list[str] | None, tmp_path: Path
) -> None:
    """Each label file outlines a share of the width that its folder's name has as many letters."""
    root = put(tmp_path / "s", *photos)
    for label in labels:
        (root / label).parent.mkdir(parents=True, exist_ok=True)
        (root / label).write_text(f"0 0 0 0.{len(label)} 0 0.{len(label)} 1 0 1\n")
    if drawn is None:
        with pytest.raises(DataError):
            convert(root, tmp_path / "out", "yolo")
        return
    found = masks_of(convert(root, tmp_path / "out").out)
    assert sorted(found) == drawn
    share = float(f"0.{len(labels[-1])}")
    assert abs(found[drawn[-1]].mean() - share) < 0.02


@pytest.mark.parametrize("said", ["train/x.png", "x.png"])
def test_coco_s_photo_of_another_part_is_not_taken(said: str, tmp_path: Path) -> None:
    square = {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    root = coco_file(tmp_path / "s", [square], file_name=said)
    (root / "val").mkdir()
    (root / "x.png").rename(root / "val" / "x.png")
    (root / "annotations").mkdir()
    (root / "coco.json").rename(root / "annotations" / "instances_train.json")
    with pytest.raises(DataError, match=f"no photo '{said}'"):
        convert(root, tmp_path / "out")


def test_coco_as_it_is_distributed(tmp_path: Path) -> None:
    """Key points beside instances are of the same photos; one file alone finds its photos."""
    square = {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    root = coco_file(tmp_path / "s", [square])
    (root / "train2017").mkdir()
    (root / "x.png").rename(root / "train2017" / "x.png")
    (root / "annotations").mkdir()
    text = (root / "coco.json").read_text()
    (root / "coco.json").unlink()
    (root / "annotations" / "instances_train2017.json").write_text(text)
    (root / "annotations" / "person_keypoints_train2017.json").write_text(text)
    done = convert(root, tmp_path / "out")
    assert "person_keypoints" in told(done, "left out")
    again = convert(root / "annotations" / "instances_train2017.json", tmp_path / "again")
    assert_same(again, masks_of(done.out))


# -- what values and colours mean -----------------------------------------------------------------


def with_values(root: Path, *values: int) -> Path:
    """Masks of the three values."""
    table = np.array(values, np.uint8)
    sources.write_pictures(root, {name: table[one] for name, one in sources.truth().items()})
    return root


def test_values_with_gaps_are_the_lines_of_a_list(tmp_path: Path) -> None:
    root = with_values(tmp_path / "s", 0, 8, 15)
    names = [f"class {n}" for n in range(21)]
    (root / "classes.txt").write_text("\n".join(names))
    done = convert(root, tmp_path / "out")
    assert done.classes == tuple(names)
    assert set(np.unique(masks_of(done.out)["1"])) == {0, 8, 15}


def test_255_beside_values_with_gaps_is_not_labelled(tmp_path: Path) -> None:
    masks = masks_of(convert(with_values(tmp_path / "s", 0, 2, 255), tmp_path / "out").out)
    assert set(np.unique(masks["1"])) == {0, 2, 255}


def test_palettes_that_differ_are_read_by_colour(tmp_path: Path) -> None:
    """Each file's own order of colours, as GIMP or pngquant writes it."""
    masks = sources.truth()
    sources.write_photos(tmp_path / "s" / "images", ".jpg")
    (tmp_path / "s" / "masks").mkdir()
    for number, (name, one) in enumerate(masks.items()):
        turned = number % 2 == 1
        picture = Image.fromarray(np.array([2, 1, 0], np.uint8)[one] if turned else one)
        colours = sources.COLOURS[::-1] if turned else sources.COLOURS
        picture.putpalette([channel for colour in colours for channel in colour])
        picture.save(tmp_path / "s" / "masks" / f"{name}.png")
    done = convert(tmp_path / "s", tmp_path / "out")
    assert done.format == "colours"
    blue_before_red = np.array([0, 2, 1], np.uint8)
    assert_same(done, {name: blue_before_red[one] for name, one in masks.items()})


def test_a_palette_that_is_given_decides(tmp_path: Path) -> None:
    """Also over grey masks, which without it would be levels."""
    root = with_values(tmp_path / "s", 255, 0, 128)
    palette = {(255, 255, 255): 0, (0, 0, 0): 1, (128, 128, 128): 2}
    options = Options(sources.CLASSES, palette)
    assert_same(convert(root, tmp_path / "out", options=options), sources.truth())


def test_an_ignored_value_makes_indices_of_black_and_white(tmp_path: Path) -> None:
    root = with_values(tmp_path / "s", 0, 255, 0)
    Image.fromarray(sources.mask(0)).save(root / "masks" / "1.png")
    done = convert(root, tmp_path / "out", options=Options(ignore_index=255))
    assert done.format == "indices"
    assert (masks_of(done.out)["10"][sources.truth()["10"] == 1] == 255).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(ignore_index=3), "--ignore-index"),
        (Options(palette={(0, 0, 0): 0}), "--palette"),
        (Options(classes=("cat", "dog")), "begin the list with background"),
    ],
)
def test_options_without_use_are_refused(options: Options, words: str, tmp_path: Path) -> None:
    sources.write_coco(tmp_path / "s")
    with pytest.raises(UsageError, match=words):
        convert(tmp_path / "s", tmp_path / "out", options=options)


def test_folders_that_are_classes(tmp_path: Path) -> None:
    """Beside a folder of photos of any, with equal names in two folders."""
    for name in ("train/cats/1", "train/dogs/1", "val/cats/2", "val/images/3"):
        path = tmp_path / "s" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sources.photo(0)).save(path)
        Image.fromarray(sources.mask(0)).save(path.with_name(f"{path.stem}_mask.png"))
    without = convert(tmp_path / "s", tmp_path / "without")
    assert without.photos == 4
    assert "label" not in (without.out / "labels.csv").read_text().splitlines()[0]
    options = Options(folder_classes=True)
    done = convert(tmp_path / "s", tmp_path / "out", options=options)
    table = (done.out / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "image,label,split"
    assert sorted(row.partition(",")[2] for row in table[1:]) == sorted(
        ["cats,train", "dogs,train", "cats,val", ",val"]
    )
    assert any("3 of 4 photos; cats, dogs" in line for line in done.journal.printed())
    flat = with_values(tmp_path / "flat", 0, 255, 0)
    with pytest.raises(UsageError, match="--folder-classes: no photo lies in a folder"):
        convert(flat, tmp_path / "none", options=options)
    assert not (tmp_path / "none").exists()


def test_voc_s_colours_without_indices(tmp_path: Path) -> None:
    from auxseg.data.formats.voc import voc_colours

    masks = sources.write_voc(tmp_path / "s")
    table = np.array(voc_colours(256), np.uint8)
    folder = tmp_path / "s" / "VOCdevkit" / "VOC2012" / "SegmentationClass"
    for file in folder.iterdir():
        Image.fromarray(table[np.asarray(Image.open(file))]).save(file)
    done = convert(tmp_path / "s", tmp_path / "out")
    assert_same(done, masks)
    assert len(done.classes) == 21


def test_masks_of_single_things_are_no_classes(tmp_path: Path) -> None:
    """As the nuclei of the Data Science Bowl 2018: ID/images/ID.png, ID/masks/HASH.png."""
    for photo in "abcd":
        for thing in range(3):
            put(tmp_path / "s", f"{photo}/images/{photo}.png")
            path = tmp_path / "s" / photo / "masks" / f"{photo}{thing}f.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            inside = np.where(sources.mask(thing) == 1, 255, 0).astype(np.uint8)
            Image.fromarray(inside).save(path)
    with pytest.raises(DataError):
        convert(tmp_path / "s", tmp_path / "out")


def test_a_brush_of_half_the_strength_draws(tmp_path: Path) -> None:
    masks = sources.write_alpha(tmp_path / "s")
    red = np.full((40, 60, 3), (255, 0, 0), np.uint8)
    for name, one in masks.items():
        Image.fromarray(np.dstack([red, 127 * one])).save(tmp_path / "s" / "masks" / f"{name}.png")
    assert_same(convert(tmp_path / "s", tmp_path / "out"), masks)


def test_transparent_masks_of_two_colours_are_refused(tmp_path: Path) -> None:
    masks = sources.write_alpha(tmp_path / "s")
    blue = np.full((40, 60, 3), (0, 0, 255), np.uint8)
    Image.fromarray(np.dstack([blue, 255 * masks["1"]])).save(tmp_path / "s" / "masks" / "1.png")
    with pytest.raises(DataError, match="several colours"):
        convert(tmp_path / "s", tmp_path / "out")


# -- frames and outlines --------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_by_pillow_itself(orientation: int, tmp_path: Path) -> None:
    save_turned(sources.photo(), tmp_path / "x.tif", orientation)
    height, width = read_image(tmp_path / "x.tif").shape[:2]
    assert Frame.of(tmp_path / "x.tif").upright == (width, height)


@pytest.mark.parametrize(
    "outline", [[70, 10, 74, 10, 74, 30], [10, 42, 20, 42, 20, 48], [-9, -9, -2, -9, -2, -2]]
)
def test_outlines_beside_the_photo(outline: list[int], tmp_path: Path) -> None:
    square = [10, 10, 20, 10, 20, 20, 10, 20]
    annotations = [{"segmentation": [square]}, {"segmentation": [outline]}]
    done = convert(coco_file(tmp_path / "s", annotations), tmp_path / "out")
    assert masks_of(done.out)["x"].sum() == 100
    assert "hold no pixel" in told(done, "left out")


@pytest.mark.parametrize("nothing", [[], [[]], [[1, 2, 3, 4]]])
def test_a_thing_without_an_outline_lies_in_its_box(nothing: list[Any], tmp_path: Path) -> None:
    boxed = {"segmentation": nothing, "bbox": [40, 5, 10, 10]}
    square = {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    done = convert(coco_file(tmp_path / "s", [square, boxed]), tmp_path / "out")
    assert (masks_of(done.out)["x"][5:15, 40:50] == 255).all()


def test_labelme_s_other_shapes(tmp_path: Path) -> None:
    corners = [[10, 10], [20, 10], [20, 20], [10, 20]]
    shapes = [
        {"label": "cat", "points": corners, "shape_type": kind}
        for kind in ("rotation", "rectangle")
    ]
    inside = png(Image.fromarray(sources.photo()))
    root = labelme_file(tmp_path / "s", shapes, imageData=inside, imagePath="photo.heic")
    done = convert(root, tmp_path / "out")
    assert masks_of(done.out)["x"].sum() == 100
    strange = [{"label": "cat", "points": corners, "shape_type": "cloud"}]
    root = labelme_file(tmp_path / "t", strange, imageData=inside)
    with pytest.raises(DataError, match="cloud"):
        convert(root, tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": [{"id": 1, "file_name": "x.png"}] * 2}, "two photos have the id 1"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "two categories"),
        ({"categories": [{"id": 1.5, "name": "a"}]}, "1.5"),
    ],
)
def test_ids_that_mean_two_things(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    square = {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    root = coco_file(tmp_path / "s", [square])
    content = json.loads((root / "coco.json").read_text())
    (root / "coco.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(DataError, match=words):
        convert(root, tmp_path / "out")


def test_names_that_are_none(tmp_path: Path) -> None:
    """A class without a name is one, and so is ``void``: neither is the background."""
    annotations = [
        {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]], "category_id": 1},
        {"segmentation": [[30, 10, 40, 10, 40, 20, 30, 20]], "category_id": 2},
    ]
    root = coco_file(tmp_path / "s", annotations)
    content = json.loads((root / "coco.json").read_text())
    content["categories"] = [{"id": 1, "name": None}, {"id": 2, "name": "void"}]
    (root / "coco.json").write_text(json.dumps(content))
    done = convert(root, tmp_path / "out")
    assert done.classes == ("background", "class 1", "void")
    assert set(np.unique(masks_of(done.out)["x"])) == {0, 1, 2}


def test_links_that_lead_nowhere_or_round(tmp_path: Path) -> None:
    expected = sources.write_indices(tmp_path / "s")
    (tmp_path / "s" / "images" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "s" / "images" / "round").symlink_to(tmp_path / "s")
    done = convert(tmp_path / "s", tmp_path / "out")
    assert_same(done, expected)
    assert "gone.jpg" in told(done, "unreadable")


def test_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sources.write_indices(tmp_path / "s")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert_same(convert(tmp_path / "s", Path()), expected)


def test_a_table_of_somebody_else_s_is_told(tmp_path: Path) -> None:
    expected = sources.write_indices(tmp_path / "s")
    (tmp_path / "s" / "labels.csv").write_text("id,breed\n1,x\n")
    done = convert(tmp_path / "s", tmp_path / "out")
    assert_same(done, expected)
    assert "unknown column 'id'" in told(done, "unreadable")
