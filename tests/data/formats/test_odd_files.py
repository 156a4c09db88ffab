"""Label files as people really have them: each with the right masks, or one line that says why."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from auxseg.data.decode import read_image
from auxseg.data.formats.base import Options
from auxseg.data.formats.convert import Converted, convert
from auxseg.errors import AuxsegError, DataError, UsageError

from . import sources
from .test_round_trip import assert_same, masks_of


def told(done: Converted, kind: str) -> str:
    """All lines of one kind."""
    return "\n".join(str(line) for line in done.journal if line.kind == kind)


def black_white(root: Path) -> dict[str, np.ndarray]:
    return {name: 255 * (one > 0).astype(np.uint8) for name, one in sources.truth().items()}


def save_turned(pixels: np.ndarray, path: Path, orientation: int) -> None:
    """A photo that its EXIF data turn."""
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(path, quality=95, exif=exif)


# -- masks as pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["jpeg", "resized"])
def test_black_and_white_with_values_between(changed: str, tmp_path: Path) -> None:
    """Saved as JPEG or interpolated, they are what they were but for a border of a pixel."""
    root = tmp_path / "labels"
    masks = black_white(root)
    if changed == "jpeg":
        sources.write_photos(root / "images", ".jpg")
        (root / "masks").mkdir()
        for name, one in masks.items():
            Image.fromarray(one).save(root / "masks" / f"{name}.jpg", quality=75)
    else:
        small = {name: cv2.resize(one, (41, 27)) for name, one in masks.items()}
        sources.write_pictures(root, {n: cv2.resize(one, (60, 40)) for n, one in small.items()})
    done = convert(root, tmp_path / "out")
    assert done.format == "black-white"
    assert "between black and white" in told(done, "repaired")
    for name, found in masks_of(done.out).items():
        assert set(np.unique(found)) == {0, 1}
        edge = cv2.morphologyEx(masks[name], cv2.MORPH_GRADIENT, np.ones((5, 5))) > 0
        assert (found == (masks[name] > 0))[~edge].all()


def test_the_border_of_a_tiny_thing(tmp_path: Path) -> None:
    """So few pixels that each value between black and white occurs once; a class has many of one.

    As in public masks of defects of 20 pixels (abin24/Magnetic-tile-defect-datasets).
    """
    root = tmp_path / "labels"
    masks = black_white(root)
    first, second, *_ = masks
    tiny, classes = masks[first] * 0, masks[second].copy()
    tiny[10:15, 20:24] = 255
    tiny[9, 20:24] = (13, 44, 146, 208)
    classes[:5] = 7
    sources.write_pictures(root, {**masks, first: tiny, second: classes})
    done = convert(root, tmp_path / "out")
    assert done.format == "black-white"
    assert first in told(done, "repaired")
    assert "holds [7] beside black and white" in told(done, "unreadable")
    found = masks_of(done.out)
    expected = (tiny >= 128).astype(np.uint8)
    np.testing.assert_array_equal(found[first], expected)
    assert expected.sum() == 22
    assert second not in found


def test_points_of_classes_are_no_black_and_white(tmp_path: Path) -> None:
    """Sparse labels: 255 everywhere but for a few pixels of each class."""
    root, draw = tmp_path / "labels", np.random.default_rng(0)
    masks = {}
    for name, one in sources.truth().items():
        masks[name] = np.full_like(one, 255)
        masks[name].ravel()[draw.choice(one.size, 16, replace=False)] = draw.integers(0, 6, 16)
    sources.write_pictures(root, masks)
    done = convert(root, tmp_path / "out")
    assert done.format == "indices"
    for name, found in masks_of(done.out).items():
        np.testing.assert_array_equal(found, masks[name])


def test_colours_of_a_jpeg(tmp_path: Path) -> None:
    """Classes are found; what lies between them is not labelled and never a third class."""
    root = tmp_path / "labels"
    sources.write_photos(root / "images", ".jpg")
    (root / "masks").mkdir()
    for name, one in sources.truth(holes=False).items():
        rgb = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)[one]
        large = rgb.repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(large).save(root / "masks" / f"{name}.jpg", quality=95, subsampling=0)
        Image.fromarray(sources.photo(1, 240, 160)).save(root / "images" / f"{name}.jpg")
    done = convert(root, tmp_path / "out")
    assert done.classes == ("background", *done.classes[1:])
    assert len(done.classes) == 3
    for name, found in masks_of(done.out).items():
        expected = np.array([0, 2, 1], np.uint8)[sources.truth(holes=False)[name]]
        expected = expected.repeat(4, axis=0).repeat(4, axis=1)
        known = found != 255
        assert known.mean() > 0.9
        edge = cv2.morphologyEx(expected, cv2.MORPH_GRADIENT, np.ones((9, 9))) > 0
        assert (found == expected)[known & ~edge].all()


def test_sixteen_bits_and_grey_as_rgb(tmp_path: Path) -> None:
    masks = sources.truth()
    sources.write_pictures(tmp_path / "labels", masks)
    folder = tmp_path / "labels" / "masks"
    Image.fromarray(masks["1"].astype(np.uint16)).save(folder / "1.png")
    Image.fromarray(np.dstack([masks["10"]] * 3)).save(folder / "10.png")
    grey_alpha = np.dstack([masks["ünï"], np.full_like(masks["ünï"], 255)])
    Image.fromarray(grey_alpha, "LA").save(folder / "ünï.png")
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert_same(done, masks)
    assert "more channels or bits" in told(done, "repaired")


@pytest.mark.parametrize("less", [1, 4])
def test_masks_a_few_pixels_smaller(less: int, tmp_path: Path) -> None:
    masks = sources.truth()
    size = (60 - less, 40 - less)
    smaller = {n: cv2.resize(one, size, interpolation=0) for n, one in masks.items()}
    sources.write_pictures(tmp_path / "labels", smaller)
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert told(done, "repaired").count("stretched to it") == 4
    for name, found in masks_of(done.out).items():
        assert found.shape == masks[name].shape
        assert (found == masks[name]).mean() > 0.9


def test_a_mask_of_another_shape_is_told_and_its_photo_kept(tmp_path: Path) -> None:
    masks = sources.truth()
    masks["10"] = masks["10"][:, :20].copy()
    sources.write_pictures(tmp_path / "labels", masks)
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert (done.photos, done.masks) == (4, 3)
    assert "images/10.jpeg" in told(done, "unreadable")
    assert "20 × 40" in told(done, "unreadable")


def test_255_beside_indices_is_not_labelled(tmp_path: Path) -> None:
    masks = sources.truth()
    masks["1"][0] = 255
    sources.write_pictures(tmp_path / "labels", masks)
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert_same(done, masks)
    assert done.ignored
    assert len(done.classes) == 3


def test_grey_levels_become_classes(tmp_path: Path) -> None:
    masks = sources.truth()
    levels = {name: np.array([0, 128, 255], np.uint8)[one] for name, one in masks.items()}
    sources.write_pictures(tmp_path / "labels", levels)
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert_same(done, masks)
    assert "0, 128, 255 become classes 0 to 2" in told(done, "decided")


def test_a_palette_of_the_user_s(tmp_path: Path) -> None:
    sources.write_colours(tmp_path / "labels")
    palette = {colour: number for number, colour in enumerate(sources.COLOURS)}
    options = Options(sources.CLASSES, palette)
    done = convert(tmp_path / "labels", tmp_path / "out", options=options)
    assert_same(done, sources.truth())
    assert done.classes == sources.CLASSES


@pytest.mark.parametrize("layout", ["STEM_CLASS", "CLASS/STEM"])
def test_one_mask_per_class_by_name(layout: str, tmp_path: Path) -> None:
    """``1`` is not the beginning of ``10``."""
    root, masks = tmp_path / "labels", sources.truth()
    sources.write_photos(root / "images")
    for name, one in masks.items():
        for value in (1, 2):
            inside = np.where(one == value, 255, 0).astype(np.uint8)
            category = sources.CLASSES[value]
            path = f"{name}_{category}" if layout == "STEM_CLASS" else f"{category}/{name}"
            (root / "masks" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(inside).save(root / "masks" / f"{path}.png")
    done = convert(root, tmp_path / "out")
    assert done.format == "class-masks"
    assert done.classes == sources.CLASSES
    assert_same(done, masks)


def test_masks_beside_their_photos(tmp_path: Path) -> None:
    masks = sources.truth()
    sources.write_photos(tmp_path / "labels")
    for name, one in masks.items():
        Image.fromarray(one).save(tmp_path / "labels" / f"{name}_mask.png")
    assert_same(convert(tmp_path / "labels", tmp_path / "out"), masks)


def test_photos_of_one_name_in_sub_folders(tmp_path: Path) -> None:
    root = tmp_path / "labels"
    for part, seed in (("train", 0), ("val", 3)):
        (root / "images" / part).mkdir(parents=True)
        (root / "masks" / part).mkdir(parents=True)
        Image.fromarray(sources.photo(seed)).save(root / "images" / part / "x.png")
        Image.fromarray(sources.mask(seed)).save(root / "masks" / part / "x.png")
    done = convert(root, tmp_path / "out")
    expected = {f"images_{part}_x": sources.mask(s) for part, s in (("train", 0), ("val", 3))}
    assert_same(done, expected)
    table = (done.out / "labels.csv").read_text()
    assert "images_train_x.png,train" in table
    assert "images_val_x.png,val" in table


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_of_a_photo_that_is_stored_turned(orientation: int, tmp_path: Path) -> None:
    """The mask is of what is stored (5 to 8 show it by the size) or of what is shown."""
    (tmp_path / "labels" / "images").mkdir(parents=True)
    (tmp_path / "labels" / "masks").mkdir()
    stored = sources.mask(1)
    photo = np.dstack([100 * stored] * 3)
    save_turned(photo, tmp_path / "labels" / "images" / "x.jpg", orientation)
    Image.fromarray(stored).save(tmp_path / "labels" / "masks" / "x.png")
    done = convert(tmp_path / "labels", tmp_path / "out")
    shown = read_image(done.out / "images" / "x.jpg")[..., 1]
    found = masks_of(done.out)["x"]
    assert found.shape == shown.shape
    if orientation in (1, 5, 6, 7, 8):
        # The photo is the mask in grey: both must be turned alike.
        edge = cv2.morphologyEx(found, cv2.MORPH_GRADIENT, np.ones((5, 5))) > 0
        assert (np.abs(shown.astype(int) - 100 * found.astype(int)) < 30)[~edge].all()
    else:
        assert "taken as after" in told(done, "decided")


def test_a_table_that_is_there_is_kept(tmp_path: Path) -> None:
    """Also for a photo that gets another name; a row that means nothing is told."""
    sources.write_black_white(tmp_path / "a")
    rows = ["image,label,xmin,ymin,xmax,ymax,split", "1,old,1,2,3,4,train", "10.jpeg,new,,,,,val"]
    (tmp_path / "a" / "labels.csv").write_text("\n".join([*rows, "gone,new,,,,,val"]))
    done = convert(tmp_path / "a", tmp_path / "out")
    written = (done.out / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert written[0] == rows[0]
    assert {"1.jpeg,old,1,2,3,4,train", "10.jpeg,new,,,,,val"} <= set(written)
    assert "ünï.jpeg,,,,,,train" in written
    assert "no image 'gone'" in told(done, "unreadable")


# -- outlines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_outlines_in_either_frame(orientation: int, upright: bool, tmp_path: Path) -> None:
    """LabelMe turns photos before it draws, others do not: the size in the file tells."""
    root = tmp_path / "labels"
    root.mkdir()
    stored = sources.mask(2, holes=False)
    save_turned(np.dstack([100 * stored] * 3), root / "x.jpg", orientation)
    shown = read_image(root / "x.jpg")[..., 1]
    drawn = np.round(shown / 100).astype(np.uint8) if upright else stored
    height, width = drawn.shape
    shapes = [
        sources._shape(sources.CLASSES[value], points)
        for value in (1, 2)
        for points in sources.outlines(drawn == value)
    ]
    content = {"shapes": shapes, "imagePath": "x.jpg", "imageHeight": height, "imageWidth": width}
    (root / "x.json").write_text(json.dumps(content))
    found = masks_of(convert(root, tmp_path / "out").out)["x"]
    edge = cv2.morphologyEx(found, cv2.MORPH_GRADIENT, np.ones((5, 5))) > 0
    assert (np.abs(shown.astype(int) - 100 * found.astype(int)) < 30)[~edge].all()


def coco_file(root: Path, annotations: list[dict[str, Any]], **image: Any) -> Path:
    """One photo, 60 × 40, and a class ``cat``."""
    root.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sources.photo()).save(root / "x.png")
    entry = {"id": 1, "file_name": "x.png", "width": 60, "height": 40, **image}
    whole = [{"id": n, "image_id": 1, "category_id": 1, **one} for n, one in enumerate(annotations)]
    content = {"images": [entry], "annotations": whole, "categories": [{"id": 1, "name": "cat"}]}
    (root / "coco.json").write_text(json.dumps(content))
    return root


def with_sound_photo(root: Path) -> Path:
    """One more photo, with a square of its own."""
    Image.fromarray(sources.photo(5)).save(root / "sound.png")
    content = json.loads((root / "coco.json").read_text())
    content["images"].append({"id": 2, "file_name": "sound.png", "width": 60, "height": 40})
    content["annotations"].append({"id": 99, "image_id": 2, "category_id": 1, **SQUARE})
    (root / "coco.json").write_text(json.dumps(content))
    return root


SQUARE = {"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}


def test_crowds_and_boxes_are_not_labelled(tmp_path: Path) -> None:
    crowd = {"segmentation": {"size": [40, 60], "counts": [0, 1200, 1200]}, "iscrowd": 1}
    box = {"segmentation": [], "bbox": [40, 5, 10, 10]}
    done = convert(coco_file(tmp_path / "a", [SQUARE, crowd, box]), tmp_path / "out")
    expected = np.zeros((40, 60), np.uint8)
    expected[:, :30] = 255
    expected[5:15, 40:50] = 255
    expected[10:20, 10:20] = 1
    assert_same(done, {"x": expected})
    assert "crowds" in told(done, "decided")
    assert "boxes without an outline" in told(done, "decided")


def test_small_things_lie_above_large_ones(tmp_path: Path) -> None:
    root = coco_file(tmp_path / "a", [SQUARE, {"segmentation": [[0, 0, 60, 0, 60, 40, 0, 40]]}])
    content = json.loads((root / "coco.json").read_text())
    content["categories"].append({"id": 2, "name": "sofa"})
    content["annotations"][1]["category_id"] = 2
    (root / "coco.json").write_text(json.dumps(content))
    expected = np.full((40, 60), 2, np.uint8)
    expected[10:20, 10:20] = 1
    assert_same(convert(root, tmp_path / "out"), {"x": expected})


def test_listed_without_annotation_is_background_and_not_listed_is_unknown(tmp_path: Path) -> None:
    root = coco_file(tmp_path / "a", [SQUARE])
    content = json.loads((root / "coco.json").read_text())
    content["images"].append({"id": 2, "file_name": "bare.png", "width": 60, "height": 40})
    (root / "coco.json").write_text(json.dumps(content))
    for name in ("bare", "unlisted"):
        Image.fromarray(sources.photo(1)).save(root / f"{name}.png")
    done = convert(root, tmp_path / "out")
    found = masks_of(done.out)
    assert found.keys() == {"x", "bare"}
    assert not found["bare"].any()
    assert (done.photos, done.masks) == (3, 2)


def test_outlines_of_a_photo_that_was_made_smaller(tmp_path: Path) -> None:
    twice = {"segmentation": [[20, 20, 40, 20, 40, 40, 20, 40]]}
    done = convert(coco_file(tmp_path / "a", [twice], width=120, height=80), tmp_path / "out")
    expected = np.zeros((40, 60), np.uint8)
    expected[10:20, 10:20] = 1
    assert_same(done, {"x": expected})
    assert "120 × 80 to 60 × 40" in told(done, "repaired")


@pytest.mark.parametrize(
    ("annotation", "image", "words"),
    [
        ({"segmentation": {"size": [40, 60], "counts": [0, 9999]}}, {}, "do not add up"),
        ({"segmentation": {"size": [40, 60], "counts": "~~~~"}}, {}, "letter"),
        ({"segmentation": {"size": [4, 6], "counts": [24]}}, {}, "6 × 4"),
        ({"segmentation": [[10, 10, 20]]}, {}, "x, y"),
        ({"segmentation": [["a", "b"] * 4]}, {}, "numbers"),
        ({"segmentation": [[1e9, 0, 0, 1e9, 5, 5]]}, {}, "not in the photo"),
        (SQUARE, {"width": 40, "height": 40}, "40 × 40"),
    ],
)
def test_annotations_that_mean_nothing(
    annotation: dict[str, Any], image: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """The photo is kept without a mask; a mask without one of its things would be wrong."""
    root = with_sound_photo(coco_file(tmp_path / "a", [SQUARE, annotation], **image))
    done = convert(root, tmp_path / "out")
    assert (done.photos, done.masks) == (2, 1)
    assert words in told(done, "unreadable")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "gone.png", ""])
def test_a_photo_outside_of_the_source_is_not_there(name: str, tmp_path: Path) -> None:
    root = with_sound_photo(coco_file(tmp_path / "a", [SQUARE], file_name=name))
    done = convert(root, tmp_path / "out")
    assert {path.name for path in (done.out / "images").iterdir()} == {"x.png", "sound.png"}
    assert masks_of(done.out).keys() == {"sound"}
    assert "is not there" in told(done, "unreadable")


def test_nothing_but_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = coco_file(tmp_path / "a", [{"segmentation": [[1, 2, 3]]}])
    with pytest.raises(DataError, match=r"no photo gets a mask .*x\.png: annotation 0"):
        convert(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_class_and_box_of_a_photo_with_one_thing(tmp_path: Path) -> None:
    root = tmp_path / "labels"
    sources.write_coco(root, "polygons")
    content = json.loads((root / "labels.json").read_text())
    kept = [one for n, one in enumerate(content["annotations"]) if n % 3 == 0]
    content["annotations"] = kept
    (root / "labels.json").write_text(json.dumps(content))
    done = convert(root, tmp_path / "out")
    rows = (done.out / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "image,label,xmin,ymin,xmax,ymax"
    for row in rows[1:]:
        image, label, *box = row.split(",")
        if label:
            found = masks_of(done.out)[Path(image).stem]
            value = done.classes.index(label)
            ys, xs = np.nonzero(found == value)
            tight = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert np.abs(np.array(box, float) - tight).max() <= 0.5


# -- LabelMe's shapes -----------------------------------------------------------------------------


def labelme_file(root: Path, shapes: list[dict[str, Any]], **further: Any) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    content = {"shapes": shapes, "imagePath": "x.png", "imageHeight": 40, "imageWidth": 60}
    (root / "x.json").write_text(json.dumps({**content, **further}))
    return root


def png(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, format="png")
    return base64.b64encode(stream.getvalue()).decode()


def test_every_shape_that_has_an_area(tmp_path: Path) -> None:
    """Pillow draws what LabelMe shows; the photo lies in the file."""
    painted = Image.new("1", (6, 5))
    ImageDraw.Draw(painted).rectangle((0, 0, 5, 3), fill=1)
    shapes = [
        {"label": "cat", "points": [[2, 3], [12, 13]], "shape_type": "rectangle"},
        {"label": "dog", "points": [[30, 20], [30, 28]], "shape_type": "circle"},
        {
            "label": "cat",
            "points": [[50, 30], [55, 34]],
            "shape_type": "mask",
            "mask": png(painted),
        },
        {"label": "dog", "points": [[5, 5]], "shape_type": "point"},
        {"label": "_background_", "points": [[4, 4], [6, 6]], "shape_type": "rectangle"},
        {"label": "__ignore__", "points": [[0, 30], [4, 40]], "shape_type": "rectangle"},
    ]
    inside = png(Image.fromarray(sources.photo(4)))
    done = convert(labelme_file(tmp_path / "a", shapes, imageData=inside), tmp_path / "out")
    expected = np.zeros((40, 60), np.uint8)
    expected[3:13, 2:12] = 1
    y, x = np.mgrid[:40, :60] + 0.5
    expected[(x - 30) ** 2 + (y - 20) ** 2 < 64] = 2
    expected[30:34, 50:56] = 1
    expected[4:6, 4:6] = 0
    expected[30:40, 0:4] = 255
    found = masks_of(done.out)["x"]
    assert (found != expected).sum() <= 4  # on the circle's rim
    assert "shapes without an area: point" in told(done, "left out")
    assert "taken from its label file" in told(done, "repaired")
    assert (read_image(done.out / "images" / "x.png") == sources.photo(4)).all()


def test_a_later_shape_lies_above(tmp_path: Path) -> None:
    shapes = [
        {"label": "dog", "points": [[10, 10], [12, 12]], "shape_type": "rectangle"},
        {"label": "cat", "points": [[0, 0], [60, 40]], "shape_type": "rectangle"},
    ]
    inside = png(Image.fromarray(sources.photo(4)))
    done = convert(labelme_file(tmp_path / "a", shapes, imageData=inside), tmp_path / "out")
    assert (masks_of(done.out)["x"] == done.classes.index("cat")).all()


def test_one_broken_file_among_others(tmp_path: Path) -> None:
    expected = sources.write_labelme(tmp_path / "labels")
    (tmp_path / "labels" / "10.json").write_text('{"shapes": [')
    done = convert(tmp_path / "labels", tmp_path / "out")
    del expected["10"]
    assert_same(done, expected)
    assert "10.json" in told(done, "unreadable")
    assert done.photos == 4


# -- YOLO -----------------------------------------------------------------------------------------


def yolo_file(root: Path, text: str) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    Image.fromarray(sources.photo()).save(root / "images" / "x.png")
    Image.fromarray(sources.photo(1)).save(root / "images" / "y.png")
    (root / "labels" / "x.txt").write_text(text)
    (root / "labels" / "y.txt").write_text("0 0 0 0.5 0 0.5 0.5\n")
    return root


def test_points_just_above_1_are_moved_to_the_edge(tmp_path: Path) -> None:
    done = convert(yolo_file(tmp_path / "a", "0 0.5 0 1.0021 0 1.0021 1 0.5 1\n"), tmp_path / "out")
    expected = np.zeros((40, 60), np.uint8)
    expected[:, 30:] = 1
    assert (masks_of(done.out)["x"] == expected).all()
    assert "moved to its edge" in told(done, "repaired")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 30 10 40 10 40 20\n", "beyond the photo's edge"),
        ("0 0.1 0.1 0.2\n", "4 numbers"),
        ("cat 0.1 0.1 0.2 0.2 0.3 0.3\n", "not a list of numbers"),
        ("0 0.1 nan 0.2 0.2 0.3 0.3\n", "not a finite number"),
    ],
)
def test_lines_that_mean_nothing(text: str, words: str, tmp_path: Path) -> None:
    done = convert(yolo_file(tmp_path / "a", text), tmp_path / "out")
    assert (done.photos, done.masks) == (2, 1)
    assert words in told(done, "unreadable")


def test_lines_of_a_box_are_not_labelled_and_empty_files_are_background(tmp_path: Path) -> None:
    root = yolo_file(tmp_path / "a", "0 0.25 0.5 0.5 1\n")
    (root / "labels" / "y.txt").write_text("0 0 0 0.5 0 0.5 0.5\n")
    Image.fromarray(sources.photo(2)).save(root / "images" / "z.png")
    (root / "labels" / "z.txt").write_text("")
    found = masks_of(convert(root, tmp_path / "out").out)
    assert (found["x"][:, :30] == 255).all()
    assert not found["x"][:, 30:].any()
    assert not found["z"].any()


# -- what is no source ----------------------------------------------------------------------------


def test_label_studio_s_json_is_named(tmp_path: Path) -> None:
    sources.write_photos(tmp_path / "a")
    (tmp_path / "a" / "export.json").write_text('[{"data": {}, "annotations": []}]')
    with pytest.raises(DataError, match="Label Studio"):
        convert(tmp_path / "a", tmp_path / "out")


def test_two_formats_ask_for_one(tmp_path: Path) -> None:
    sources.write_coco(tmp_path / "a")
    sources.write_labelme(tmp_path / "a" / "more")
    with pytest.raises(DataError, match="--from"):
        convert(tmp_path / "a", tmp_path / "out")


def test_only_photos(tmp_path: Path) -> None:
    sources.write_photos(tmp_path / "a")
    with pytest.raises(DataError, match="no labels of a known format"):
        convert(tmp_path / "a", tmp_path / "out")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    sources.write_indices(tmp_path / "a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "a" / "inside"):
        with pytest.raises(DataError, match=str(out)):
            convert(tmp_path / "a", out)
    with pytest.raises(UsageError, match="'paper'"):
        convert(tmp_path / "a", tmp_path / "new", "paper")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "out"}


def test_a_conversion_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    sources.write_indices(tmp_path / "a")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left"):
        convert(tmp_path / "a", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_photos_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    expected = sources.write_indices(tmp_path / "a")
    (tmp_path / "a" / "images" / "1.jpeg").write_bytes(b"no photo")
    (tmp_path / "a" / "images" / "phone.HEIC").write_bytes(b"no photo")
    done = convert(tmp_path / "a", tmp_path / "out")
    del expected["1"]
    assert_same(done, expected)
    assert "1.jpeg" in told(done, "unreadable")
    assert "HEIC" in told(done, "unreadable")


# -- anything at all ------------------------------------------------------------------------------


def converted(source: Path, out: Path) -> Converted | str:
    """What was converted, or the line that a user reads."""
    try:
        return convert(source, out)
    except AuxsegError as error:
        return str(error)


def _broken(content: Any, draw: np.random.Generator) -> Any:
    """The content with something in it replaced, dropped or doubled."""
    strange = [None, -1, 1e300, float("nan"), "", "x", [], {}, [[]], True, 2**70]
    if isinstance(content, dict) and content and draw.random() < 0.85:
        key = list(content)[draw.integers(len(content))]
        if draw.random() < 0.15:
            return {name: one for name, one in content.items() if name != key}
        return {**content, key: _broken(content[key], draw)}
    if isinstance(content, list) and content and draw.random() < 0.85:
        place = int(draw.integers(len(content)))
        return [*content[:place], _broken(content[place], draw), *content[place + 1 :]]
    return strange[int(draw.integers(len(strange)))]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("write", [sources.write_coco, sources.write_labelme])
def test_broken_json_is_one_line_or_a_journal(
    write: Callable[[Path], object], seed: int, tmp_path: Path
) -> None:
    """Never an error of Python's own, and never a mask with a value that is no class."""
    write(tmp_path / "a")
    draw = np.random.default_rng(seed)
    for file in (tmp_path / "a").glob("*.json"):
        content = json.loads(file.read_text())
        for _ in range(int(draw.integers(1, 4))):
            content = _broken(content, draw)
        file.write_text(json.dumps(content))
    done = converted(tmp_path / "a", tmp_path / "out")
    if isinstance(done, Converted):
        for found in masks_of(done.out).values() if done.masks else ():
            assert set(np.unique(found)) <= {*range(len(done.classes)), 255}
    else:
        assert "\n" not in done
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", range(30))
def test_broken_text_is_one_line_or_a_journal(seed: int, tmp_path: Path) -> None:
    """YOLO's files and CVAT's list with bytes replaced."""
    draw = np.random.default_rng(seed)
    for write, pattern in ((sources.write_yolo, "*.txt"), (sources.write_cvat, "labelmap.txt")):
        root = tmp_path / write.__name__
        write(root)
        for file in root.rglob(pattern):
            data = bytearray(file.read_bytes())
            for _ in range(int(draw.integers(1, 6))):
                data[int(draw.integers(len(data)))] = int(draw.integers(256))
            file.write_bytes(bytes(data))
        done = converted(root, tmp_path / f"{write.__name__}-out")
        assert isinstance(done, Converted) or "\n" not in done
