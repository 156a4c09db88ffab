"""A few photos and masks, and how other tools would have written their labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco

CLASSES = ("background", "cat", "dog")
#: Background, cat and dog in CVAT's and other colours.
COLOURS = ((0, 0, 0), (250, 50, 20), (30, 60, 240))
NAMES = ("1", "10", "a b", "ünï")


def photo(seed: int = 0, width: int = 60, height: int = 40) -> np.ndarray:
    """uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mask(seed: int = 0, width: int = 60, height: int = 40, *, holes: bool = True) -> np.ndarray:
    """A cat, with a hole, and a dog that touches it: uint8 (H, W), values 0, 1, 2."""
    drawn = np.zeros((height, width), np.uint8)
    shift = seed % 5
    cv2.ellipse(drawn, (20 + shift, 20), (14, 11), 20, 0, 360, 1, -1)
    if holes:
        drawn[17:21, 15 + shift : 20 + shift] = 0
    drawn[22 : height - 2, 30 : 40 + shift] = 2
    return drawn


def truth(*, holes: bool = True) -> dict[str, np.ndarray]:
    """Photo's stem → its mask."""
    return {name: mask(seed, holes=holes) for seed, name in enumerate(NAMES)}


def write_photos(folder: Path, ending: str = ".JPG") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        Image.fromarray(photo(seed)).save(folder / f"{name}{ending}", format="jpeg", quality=95)


def outlines(inside: np.ndarray) -> list[np.ndarray]:
    """Contours a quarter of a pixel within the pixels' edges, float (n, 2) each; no holes."""
    fine = inside.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(one[:, 0] + 0.5) / 2 for one in found]


# -- one writer a format; each returns the masks that the source stands for -----------------------


def write_coco(root: Path, runs: str = "compressed") -> dict[str, np.ndarray]:
    """``runs``: polygons, list or compressed."""
    masks = truth(holes=runs != "polygons")
    write_photos(root / "pictures")
    images, annotations = [], []
    for number, (name, one) in enumerate(masks.items(), start=7):
        height, width = one.shape
        entry = {"id": number, "file_name": f"pictures/{name}.JPG"}
        images.append({**entry, "width": width, "height": height})
        for value in (1, 2):
            inside = one == value
            drawn: Any = [points.ravel().tolist() for points in outlines(inside)]
            if runs != "polygons":
                drawn = coco.encode(np.asfortranarray(inside.astype(np.uint8)))
                drawn["counts"] = drawn["counts"].decode()
            if runs == "list":
                flat = inside.ravel(order="F")
                edges = np.flatnonzero(np.diff(flat, prepend=False))
                drawn["counts"] = np.diff(edges, prepend=0, append=flat.size).tolist()
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 10 * value,
                    "segmentation": drawn,
                    "iscrowd": 0,
                    "bbox": [0, 0, 5, 5],
                }
            )
    categories = [{"id": 20, "name": "dog"}, {"id": 10, "name": "cat"}, {"id": 30, "name": "cow"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    return masks


def write_labelme(root: Path) -> dict[str, np.ndarray]:
    masks = truth()
    write_photos(root)
    for name, one in masks.items():
        shapes = []
        for value in (1, 2):
            for points in outlines(one == value):
                shapes.append(_shape(CLASSES[value], points))
            holes = (one == 0) & (cv2.boundingRect((one == value).astype(np.uint8))[2] > 20)
            holes[:16] = holes[22:] = False
            holes[:, :14] = holes[:, 25:] = False
            if value == 1:
                shapes += [_shape("_background_", points) for points in outlines(holes)]
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imageData": None,
            "imagePath": f"..\\labels\\{name}.JPG",
            "imageHeight": 40,
            "imageWidth": 60,
        }
        (root / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return masks


def _shape(label: str, points: np.ndarray, kind: str = "polygon") -> dict[str, Any]:
    return {"label": label, "points": points.tolist(), "shape_type": kind, "flags": {}}


def write_yolo(root: Path) -> dict[str, np.ndarray]:
    """Dog is YOLO's class 0, cat its class 1; the folder layout has them in YOLO's order."""
    masks = truth(holes=False)
    write_photos(root / "images" / "train")
    labels = root / "labels" / "train"
    labels.mkdir(parents=True)
    for name, one in masks.items():
        lines = []
        for value in (1, 2):
            for points in outlines(one == value):
                shares = (points / np.array([60, 40])).ravel()
                lines.append(" ".join([str(2 - value), *map(repr, shares.tolist())]))
        (labels / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames: {0: dog, 1: cat}\n")
    return {name: np.array([0, 2, 1], np.uint8)[one] for name, one in masks.items()}


def write_voc(root: Path) -> dict[str, np.ndarray]:
    from auxseg.data.formats.voc import voc_colours

    masks = truth()
    inner = root / "VOCdevkit" / "VOC2012"
    write_photos(inner / "JPEGImages", ".jpg")
    (inner / "SegmentationClass").mkdir()
    (inner / "SegmentationObject").mkdir()
    for name, one in masks.items():
        values = np.array([0, 8, 12], np.uint8)[one]  # VOC's cat and dog
        values[0] = 255
        one[:] = values
        for folder in ("SegmentationClass", "SegmentationObject"):
            picture = Image.fromarray(values)
            picture.putpalette([channel for colour in voc_colours(256) for channel in colour])
            picture.save(inner / folder / f"{name}.png")
    lists = inner / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n10\n", encoding="utf-8")
    (lists / "val.txt").write_text("a b\nünï\n", encoding="utf-8")
    return masks


def write_cvat(root: Path) -> dict[str, np.ndarray]:
    masks = truth()
    write_photos(root / "JPEGImages", ".jpg")
    (root / "SegmentationClass").mkdir()
    for name, one in masks.items():
        rgb = np.array(COLOURS, np.uint8)[one]
        Image.fromarray(rgb).save(root / "SegmentationClass" / f"{name}.png")
    lines = ["# label:color_rgb:parts:actions", "cat:250,50,20::", "background:0,0,0::"]
    (root / "labelmap.txt").write_text("\n".join([*lines, "dog:30,60,240::"]), encoding="utf-8")
    return masks


def write_pictures(root: Path, masks: dict[str, np.ndarray], folder: str = "masks") -> None:
    """Photos in sub-folders, masks beside them in a folder of their own."""
    write_photos(root / "images", ".jpeg")
    (root / folder).mkdir()
    for name, one in masks.items():
        Image.fromarray(one).save(root / folder / f"{name}.png")


def write_indices(root: Path) -> dict[str, np.ndarray]:
    masks = truth()
    write_pictures(root, masks)
    (root / "classes.txt").write_text("background\ncat\ndog\n", encoding="utf-8")
    return masks


def write_black_white(root: Path) -> dict[str, np.ndarray]:
    masks = {name: (one > 0).astype(np.uint8) for name, one in truth().items()}
    write_pictures(root, {name: 255 * one for name, one in masks.items()}, "Ground-Truth")
    return masks


def write_colours(root: Path) -> dict[str, np.ndarray]:
    masks = truth()
    write_pictures(root, {name: np.array(COLOURS, np.uint8)[one] for name, one in masks.items()})
    # Without a list the colours are in the order of their numbers: blue before red.
    return {name: np.array([0, 2, 1], np.uint8)[one] for name, one in masks.items()}


def write_alpha(root: Path) -> dict[str, np.ndarray]:
    masks = {name: (one > 0).astype(np.uint8) for name, one in truth().items()}
    red = np.full((40, 60, 3), (255, 0, 0), np.uint8)
    pictures = {name: np.dstack([red, 255 * one]) for name, one in masks.items()}
    write_pictures(root, pictures)
    return masks


def write_class_masks(root: Path) -> dict[str, np.ndarray]:
    masks = truth()
    write_photos(root)
    for name, one in masks.items():
        (root / "masks" / name).mkdir(parents=True)
        for value in (1, 2):
            inside = np.where(one == value, 255, 0).astype(np.uint8)
            Image.fromarray(inside).save(root / "masks" / name / f"{CLASSES[value]}.png")
    return masks


WRITERS = {
    "coco": write_coco,
    "labelme": write_labelme,
    "yolo": write_yolo,
    "voc": write_voc,
    "cvat": write_cvat,
    "class-masks": write_class_masks,
    "indices": write_indices,
    "black-white": write_black_white,
    "colours": write_colours,
    "alpha": write_alpha,
}
