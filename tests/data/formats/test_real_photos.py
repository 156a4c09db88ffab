"""The pets in other tools' formats: real sizes, real outlines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from scipy.ndimage import binary_fill_holes

from auxseg.data.datasets.oxford_pet.dataset import OxfordPet
from auxseg.data.formats.convert import convert

from .sources import outlines
from .test_round_trip import assert_same

pytestmark = pytest.mark.thorough

#: A photo's name and its mask, 0 and 1.
Pets = list[tuple[str, np.ndarray]]


@pytest.fixture(scope="module")
def pets(shared: Path) -> Pets:
    dataset = OxfordPet(shared / "data" / "oxford-iiit-pet")
    masks = ((dataset.name(n), dataset.read(n).mask) for n in range(len(dataset)))
    return [(name, (mask == 1).astype(np.uint8)) for name, mask in masks if mask is not None]


def entries(pets: Pets) -> Iterator[tuple[str, str, int, int, list[np.ndarray]]]:
    """Name, stem, height, width and outlines of each photo."""
    for name, mask in pets:
        yield name, Path(name).stem, *mask.shape, outlines(mask == 1)


def write_coco(root: Path, pets: Pets) -> None:
    images, annotations = [], []
    for number, (name, mask) in enumerate(pets):
        height, width = mask.shape
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        runs = coco.encode(np.asfortranarray(mask))
        runs["counts"] = runs["counts"].decode()
        annotations.append({"image_id": number, "category_id": 1, "segmentation": runs})
    classes = [{"id": 1, "name": "pet"}]
    content = {"images": images, "annotations": annotations, "categories": classes}
    (root / "coco.json").write_text(json.dumps(content))


def write_labelme(root: Path, pets: Pets) -> None:
    for name, stem, height, width, drawn in entries(pets):
        shapes = [{"label": "pet", "points": one.tolist()} for one in drawn]
        size = {"imageHeight": height, "imageWidth": width}
        content = {"shapes": shapes, "imagePath": name, **size}
        (root / f"{stem}.json").write_text(json.dumps(content))


def write_yolo(root: Path, pets: Pets) -> None:
    for _, stem, height, width, drawn in entries(pets):
        shares = [(one / np.array([width, height])).ravel() for one in drawn]
        lines = [" ".join(["0", *(f"{share:.6f}" for share in one)]) for one in shares]
        (root / f"{stem}.txt").write_text("\n".join(lines))


def write_voc(root: Path, pets: Pets) -> None:
    (root / "SegmentationClass").mkdir()
    for name, mask in pets:
        picture = Image.fromarray(mask)
        picture.putpalette([0, 0, 0, 200, 0, 0])
        picture.save(root / "SegmentationClass" / f"{Path(name).stem}.png")


@pytest.mark.parametrize("write", [write_coco, write_labelme, write_yolo, write_voc])
def test_masks_come_back(
    write: Callable[[Path, Pets], None], pets: Pets, shared: Path, tmp_path: Path
) -> None:
    """Bit for bit; outlines know no holes."""
    source = tmp_path / "labels"
    source.mkdir()
    for name, _ in pets:
        shutil.copyfile(shared / "data" / "oxford-iiit-pet" / "images" / name, source / name)
    write(source, pets)
    done = convert(source, tmp_path / "out")
    filled = write in (write_labelme, write_yolo)
    expected = {
        Path(name).stem: binary_fill_holes(mask).astype(np.uint8) if filled else mask
        for name, mask in pets
    }
    assert done.photos == len(pets)
    assert_same(done, expected)
