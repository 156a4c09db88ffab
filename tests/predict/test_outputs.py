"""Every file of a photo, opened as its user would, equals the arrays that it was made from."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from torch import Tensor

from auxseg.data.fits import Stretch
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.palette import class_colours
from auxseg.predict import Predictor, Wanted, predict_files
from auxseg.predict.network import Network, Outputs
from auxseg.predict.outputs.pictures import LEAST_WIDTH, with_legend
from auxseg.predict.outputs.polygons import coco_annotations, write_labelme
from auxseg.predict.predictor import Prediction
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames

CLASSES = ("sky", "früchte", "a, b", "never")


class Rings(Network):
    """Classes in rings around the middle of every picture, sure of itself but at their borders."""

    def __init__(self, classes: tuple[str, ...] = CLASSES) -> None:
        self.preset, self.fit = "rings", Stretch(24)
        self.tasks = {"segmentation": Segmentation(ClassNames(classes, ()))}

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        y, x = torch.meshgrid(*[torch.linspace(-1, 1, 24)] * 2, indexing="ij")
        distance = (x**2 + y**2).sqrt()
        wanted = [2.0, 0.7, 0.2, 9.0][: len(self.tasks["segmentation"].classes.mask)]
        logits = torch.stack([-20 * (distance - ring).abs() for ring in wanted])
        return Outputs({"segmentation": logits.expand(len(images), -1, -1, -1)})


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two photos of the same name, and a third."""
    paths = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png", tmp_path / "b" / "dog.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (60 + number, 200, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def predicted(photos: list[Path], out: Path, **wanted: Any) -> dict[str, Prediction]:
    found = predict_files(Predictor(Rings()), photos, out, wanted=Wanted(**wanted))
    return dict(one for one in found if isinstance(one, tuple))


# -- masks and overlays ------------------------------------------------------------------------


def test_a_mask_is_seen_when_it_is_opened_and_read_as_indices(
    photos: list[Path], tmp_path: Path
) -> None:
    for stem, prediction in predicted(photos, tmp_path / "out").items():
        with Image.open(tmp_path / "out" / f"{stem}_mask.png") as picture:
            assert picture.mode == "P"
            assert prediction.mask is not None
            np.testing.assert_array_equal(np.array(picture), prediction.mask)
            shown = np.array(picture.convert("RGB"))
        np.testing.assert_array_equal(shown, class_colours(4)[prediction.mask])
        assert set(np.unique(prediction.mask)) == {0, 1, 2}


def test_no_two_classes_share_a_colour() -> None:
    colours = class_colours(256)
    assert colours.shape == (256, 3)
    assert len({tuple(colour) for colour in colours.tolist()}) == 256
    np.testing.assert_array_equal(class_colours(7), colours[:7])
    first = colours[:20].astype(int)
    apart = np.abs(first[:, None] - first[None]).sum(axis=2) + 999 * np.eye(20)
    assert apart.min() > 40


def test_the_legend_names_the_classes_that_were_found(photos: list[Path], tmp_path: Path) -> None:
    prediction = predicted(photos, tmp_path / "out")["cat"]
    with Image.open(tmp_path / "out" / "cat_overlay.png") as picture:
        overlay = np.array(picture)
    height, width = prediction.photo.shape[:2]
    np.testing.assert_array_equal(overlay[:height], prediction.overlay)
    strip = overlay[height:].reshape(-1, 3)
    for number, colour in enumerate(class_colours(4).tolist()[1:], start=1):
        assert (strip == colour).all(axis=1).any() == (number in (1, 2))
    assert width == overlay.shape[1]


def legend(names: tuple[str, ...], width: int, found: int) -> Image.Image:
    photo = np.zeros((50, width, 3), np.uint8)
    mask = np.minimum(np.arange(width), found).astype(np.uint8)[None].repeat(50, axis=0)
    prediction = Prediction("p", photo, {"segmentation": mask}, photo, {}, {}, classes=names)
    return with_legend(prediction)


def test_a_legend_takes_as_many_rows_as_it_needs() -> None:
    names = ("none", *(f"class number {number}" for number in range(12)))
    assert legend(names, 700, 12).width == 700
    heights = [legend(names, 300, found).height for found in (0, 1, 2, 6, 12)]
    assert heights[0] == 50
    assert heights == sorted(heights)
    assert heights[4] > heights[3] > heights[1] > 50
    assert legend(("none", "x" * 500), 200, 1).size == (200, heights[1])
    assert legend(("none", "x"), LEAST_WIDTH - 1, 1).height == 50


# -- tables ------------------------------------------------------------------------------------


def test_areas(photos: list[Path], tmp_path: Path) -> None:
    found = predicted(photos, tmp_path / "out")
    with (tmp_path / "out" / "areas.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["path"], row["class"]) for row in rows] == [
        (str(path), name) for path in photos for name in CLASSES
    ]
    for row, expected in zip(rows[:4], range(4), strict=True):
        mask = found["cat"].mask
        assert mask is not None
        assert int(row["pixels"]) == (mask == expected).sum()
        assert float(row["share"]) == pytest.approx((mask == expected).mean(), abs=1e-6)


def test_photos_of_one_name_are_told_apart_by_their_path(
    photos: list[Path], tmp_path: Path
) -> None:
    predicted(photos, tmp_path / "out")
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [(entry["path"], entry["files"]) for entry in entries] == [
        (str(photos[0]), "cat"), (str(photos[1]), "cat_2"), (str(photos[2]), "dog"),
    ]  # fmt: skip
    assert all(sum(e["areas"].values()) == e["width"] * e["height"] for e in entries)
    assert list(entries[0]["areas"]) == list(CLASSES)
    assert "coco" not in entries[0]


@pytest.mark.parametrize("name", ["areas.csv", "coco.json", "cat.json", "cat_probabilities.npz"])
def test_files_of_others_are_not_overwritten(name: str, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    polygons = "labelme" if name == "cat.json" else "coco"
    with pytest.raises(UsageError, match=f"{name}: is there already"):
        predicted(photos, tmp_path / "out", polygons=polygons, probabilities="npz")
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_other_outputs_are_written_in_a_second_run(photos: list[Path], tmp_path: Path) -> None:
    assert len(predicted(photos, tmp_path / "out")) == 3
    assert len(predicted(photos, tmp_path / "out")) == 0
    assert len(predicted(photos, tmp_path / "out", probabilities="npz")) == 3
    assert (tmp_path / "out" / "cat_2_probabilities.npz").is_file()


# -- probabilities -----------------------------------------------------------------------------


def expected_probabilities(photo: np.ndarray) -> np.ndarray:
    logits = Rings()(torch.zeros(1, 3, 24, 24)).tasks["segmentation"]
    size = photo.shape[:2]
    large = torch.nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False)
    return large.softmax(dim=1)[0].numpy()


def test_probabilities_as_arrays(photos: list[Path], tmp_path: Path) -> None:
    for stem, prediction in predicted(photos, tmp_path / "out", probabilities="npz").items():
        with np.load(tmp_path / "out" / f"{stem}_probabilities.npz") as arrays:
            assert arrays["classes"].tolist() == list(CLASSES)
            found = arrays["probabilities"]
        assert (found.dtype, found.shape) == (np.float16, (4, *prediction.photo.shape[:2]))
        np.testing.assert_allclose(found, expected_probabilities(prediction.photo), atol=5e-4)
        np.testing.assert_allclose(found.astype(float).sum(axis=0), 1, atol=2e-3)


@pytest.mark.parametrize("reader", ["pillow", "opencv"])
def test_probabilities_as_pictures(reader: str, photos: list[Path], tmp_path: Path) -> None:
    prediction = predicted(photos, tmp_path / "out", probabilities="png")["dog"]
    expected = expected_probabilities(prediction.photo)
    for number, name in enumerate(CLASSES):
        path = tmp_path / "out" / f"dog_probability_{number}.png"
        with Image.open(path) as picture:
            assert picture.text["class"] == name  # type: ignore[attr-defined]
            found: Any = np.array(picture)
        if reader == "opencv":
            found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert found.dtype == np.uint16
        np.testing.assert_allclose(found / 65535, expected[number], atol=1e-4)


@pytest.mark.parametrize("strip", [1, 999, 4_000_000])
def test_probabilities_in_strips_are_those_at_once(
    strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.tasks.enlarge._STRIP", strip)
    photo = np.zeros((41, 67, 3), np.uint8)
    found = Predictor(Rings()).predict(photo, probabilities=True).probabilities
    assert found is not None
    np.testing.assert_allclose(np.stack(list(found)), expected_probabilities(photo), atol=1e-5)
    assert Predictor(Rings()).predict(photo).probabilities is None


# -- polygons ----------------------------------------------------------------------------------


def of_mask(mask: np.ndarray) -> Prediction:
    photo = np.zeros((*mask.shape, 3), np.uint8)
    return Prediction("p", photo, {"segmentation": mask}, photo, {}, {}, classes=CLASSES)


#: Masks of few pixels, in which regions touch by their corners, have holes and lie in one another.
MASKS = st.integers(0, 9999).flatmap(
    lambda seed: st.builds(
        lambda height, width, classes: np.random.default_rng(seed).integers(
            0, classes, (height, width), np.uint8
        ),
        *(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
    )
)


def ring_in_ring() -> np.ndarray:
    mask = np.zeros((30, 40), np.uint8)
    for number, edge in enumerate((2, 5, 8, 11)):
        mask[edge : 30 - edge, edge : 40 - edge] = (1, 2, 0, 1)[number]
    return mask


def by_coco(entries: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A mask as a reader of COCO's file has it."""
    reader = COCO()
    reader.dataset = entries
    reader.createIndex()
    found = np.zeros(shape, np.uint8)
    for annotation in reader.anns.values():
        inside = reader.annToMask(annotation).astype(bool)
        assert inside.sum() == annotation["area"]
        ys, xs = np.nonzero(inside)
        left, top, width, height = annotation["bbox"]
        assert (left, top) == (xs.min(), ys.min())
        assert (width, height) == (np.ptp(xs) + 1, np.ptp(ys) + 1)
        assert (found[inside] == 0).all()
        found[inside] = annotation["category_id"]
    return found


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_coco_gives_the_mask_again(mask: np.ndarray) -> None:
    assert_coco(mask)


def test_coco_of_rings() -> None:
    assert_coco(ring_in_ring())


def assert_coco(mask: np.ndarray) -> None:
    size = {"height": mask.shape[0], "width": mask.shape[1]}
    annotations = [
        {"id": number, "image_id": 1, **annotation}
        for number, annotation in enumerate(coco_annotations(of_mask(mask)), start=1)
    ]
    entries = {"images": [{"id": 1, **size}], "annotations": annotations, "categories": []}
    np.testing.assert_array_equal(by_coco(entries, mask.shape), mask)


def test_coco_s_file(photos: list[Path], tmp_path: Path) -> None:
    found = predicted(photos, tmp_path / "out", polygons="coco")
    reader = COCO(str(tmp_path / "out" / "coco.json"))
    assert [reader.imgs[number]["file_name"] for number in (1, 2, 3)] == [*map(str, photos)]
    names = {number: category["name"] for number, category in reader.cats.items()}
    assert names == {1: "früchte", 2: "a, b", 3: "never"}
    mask = np.zeros_like(found["dog"].mask)
    for number in reader.getAnnIds(imgIds=3):
        annotation = reader.anns[number]
        mask[reader.annToMask(annotation).astype(bool)] = annotation["category_id"]
    np.testing.assert_array_equal(mask, found["dog"].mask)


def by_labelme(content: Any) -> np.ndarray:
    """A mask as LabelMe makes it of its file: shapes are filled one after another."""
    mask = np.zeros((content["imageHeight"], content["imageWidth"]), np.uint8)
    for shape in content["shapes"]:
        assert shape["shape_type"] == "polygon"
        canvas = Image.new("1", mask.shape[::-1])
        points = [tuple(point) for point in shape["points"]]
        ImageDraw.Draw(canvas).polygon(points, outline=1, fill=1)
        mask[np.array(canvas)] = CLASSES.index(shape["label"])
    return mask


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_labelme_gives_the_mask_again(mask: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_labelme(mask, Path(folder, "p.json"))


def test_labelme_of_rings(tmp_path: Path) -> None:
    assert_labelme(ring_in_ring(), tmp_path / "p.json")


def assert_labelme(mask: np.ndarray, path: Path) -> None:
    write_labelme(of_mask(mask), path)
    content = json.loads(path.read_text())
    np.testing.assert_array_equal(by_labelme(content), mask)


def test_a_photo_called_as_a_file_of_all_photos(photos: list[Path], tmp_path: Path) -> None:
    renamed = [photos[0].with_name("predictions.png"), photos[2].with_name("coco.png")]
    for old, new in zip((photos[0], photos[2]), renamed, strict=True):
        old.rename(new)
    out = tmp_path / "out"
    assert list(predicted(renamed, out, polygons="labelme")) == ["predictions_2", "coco_2"]
    assert len(json.loads((out / "predictions.json").read_text())) == 2
    assert json.loads((out / "coco_2.json").read_text())["shapes"]


def test_labelme_s_file_finds_its_photo(photos: list[Path], tmp_path: Path) -> None:
    predicted(photos, tmp_path / "out", polygons="labelme")
    for stem, photo in zip(("cat", "cat_2", "dog"), photos, strict=True):
        content = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        assert (tmp_path / "out" / content["imagePath"]).resolve() == photo.resolve()
        assert {shape["label"] for shape in content["shapes"]} == {"früchte", "a, b"}


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "I;16"])
def test_a_picture_of_pillow_s_is_read_as_its_file(mode: str, photos: list[Path]) -> None:
    """Whatever its mode, and turned as its EXIF data say."""
    network = Predictor(Rings())
    picture = Image.open(photos[0])
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) << 8)
    else:
        picture = picture.convert(mode)
    file = photos[0].with_name("other.png")
    exif = Image.Exif()
    exif[274] = 6
    picture.save(file, exif=exif)
    opened = Image.open(file)
    found, expected = network.predict(opened), network.predict(file)
    np.testing.assert_array_equal(found.photo, expected.photo)
    np.testing.assert_array_equal(found.overlay, expected.overlay)
    assert found.source is None
    assert found.photo.shape[:2] == (200, 60)


def test_a_truncated_picture_is_one_line(tmp_path: Path, photos: list[Path]) -> None:
    data = photos[0].read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableImageError, match="truncated"):
        Predictor(Rings()).predict(Image.open(tmp_path / "half.png"))


def test_show_is_the_overlay_with_its_legend(photos: list[Path]) -> None:
    found = Predictor(Rings()).predict(photos[0])
    np.testing.assert_array_equal(np.asarray(found.show()), np.asarray(with_legend(found)))
