"""Masks as polygons, for tools that annotate: COCO's file of all photos, LabelMe's of each.

Contours lie a quarter of a pixel inside the edges of the pixels that they enclose (a pixel covers
x to x + 1), so that filling them gives the mask again, to the pixel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from auxseg.predict.predictor import Prediction
from auxseg.runs.files import replacing

FORMATS = ("coco", "labelme")
#: The file of COCO's annotations.
COCO_FILE = "coco.json"


@dataclass(frozen=True)
class Region:
    """Pixels of one class that hang together by their edges.

    Attributes:
        number: the class's index.
        box: left, top, width and height in pixels.
        inside: bool (height, width), the region's pixels in its box.
        outline: float64 (n, 2), x and y of its outer contour in the photo.
        holes: whether it encloses other pixels.
    """

    number: int
    box: tuple[int, int, int, int]
    inside: np.ndarray
    outline: np.ndarray
    holes: bool

    @property
    def pixels(self) -> int:
        return int(self.inside.sum())


def regions(mask: np.ndarray, numbers: Iterable[int]) -> Iterator[Region]:
    """The regions of the given classes in a mask, uint8 (H, W)."""
    for number in numbers:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            (mask == number).astype(np.uint8), connectivity=4
        )
        for label, (left, top, width, height, _) in enumerate(stats[1:].tolist(), start=1):
            part = (slice(top, top + height), slice(left, left + width))
            inside = labels[part] == label
            outline, holes = _outline(inside)
            outline = outline + np.array([left, top])
            yield Region(number, (left, top, width, height), inside, outline, holes)


def _outline(inside: np.ndarray) -> tuple[np.ndarray, bool]:
    """The outer contour of a region, and whether it has holes."""
    # Every pixel as four: the contour through the outermost of them is inside of the pixels' edges.
    fine = inside.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, levels = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [one for one, level in zip(contours, levels[0], strict=True) if level[3] < 0]
    (found,) = outer
    return (found[:, 0] + 0.5) / 2, len(contours) > 1


# -- COCO ----------------------------------------------------------------------------------------


def coco_annotations(prediction: Prediction) -> list[dict[str, Any]]:
    """An annotation for each region of every class but the first, the background.

    A region without holes is a polygon, one with holes run lengths, which COCO's readers take, too.
    """
    assert prediction.mask is not None
    height, width = prediction.mask.shape
    found = []
    for region in regions(prediction.mask, [one for one in prediction.found if one > 0]):
        outline = region.outline.ravel().tolist()
        shape: Any = [outline]
        if region.holes:
            counts = _run_lengths(region, prediction.mask.shape)
            shape = {"size": [height, width], "counts": counts}
        found.append(
            {
                "category_id": region.number,
                "segmentation": shape,
                "bbox": list(region.box),
                "area": region.pixels,
                "iscrowd": 0,
            }
        )
    return found


def _run_lengths(region: Region, shape: tuple[int, ...]) -> list[int]:
    """Lengths of the runs outside and inside of a region in turn, column by column."""
    left, top, width, height = region.box
    whole = np.zeros(shape, dtype=bool)
    whole[top : top + height, left : left + width] = region.inside
    flat = whole.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return [int(length) for length in np.diff(edges, prepend=0, append=flat.size)]


def write_coco(
    out: Path, entries: Callable[[], Iterable[Mapping[str, Any]]], classes: Iterable[str]
) -> None:
    """Writes :data:`COCO_FILE` from the photos' entries, which hold their annotations.

    Args:
        entries: gives the entries anew with every call.
    """
    categories = [{"id": number, "name": name} for number, name in enumerate(classes) if number > 0]
    with (
        replacing(out / COCO_FILE) as temporary,
        temporary.open("w", encoding="utf-8") as stream,
    ):
        stream.write('{"images": [')
        for number, entry in enumerate(entries(), start=1):
            size = {"width": entry["width"], "height": entry["height"]}
            image = {"id": number, "file_name": entry["path"], **size}
            stream.write(("\n" if number == 1 else ",\n") + json.dumps(image))
        stream.write('\n],\n"annotations": [')
        count = 0
        for number, entry in enumerate(entries(), start=1):
            for annotation in entry["coco"]:
                count += 1
                line = {"id": count, "image_id": number, **annotation}
                stream.write(("\n" if count == 1 else ",\n") + json.dumps(line))
        stream.write(f'\n],\n"categories": {json.dumps(categories)}}}\n')


# -- LabelMe -------------------------------------------------------------------------------------


def write_labelme(prediction: Prediction, path: Path) -> None:
    """Writes LabelMe's file of a photo, which names the photo by its place.

    LabelMe fills shapes one after another, so the larger come first, and what lies in a hole of
    another shape comes after it: also the background.
    """
    assert prediction.mask is not None
    height, width = prediction.mask.shape
    shown = [
        region
        for region in regions(prediction.mask, prediction.found)
        if region.number > 0 or not _touches_border(region, width, height)
    ]
    shapes = [
        {
            "label": prediction.classes[region.number],
            "points": region.outline.tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for region in sorted(shown, key=_filled, reverse=True)
    ]
    photo = prediction.source
    content = {
        "version": "5.0.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": prediction.name if photo is None else os.path.relpath(photo, path.parent),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _touches_border(region: Region, width: int, height: int) -> bool:
    left, top, wide, tall = region.box
    return left == 0 or top == 0 or left + wide == width or top + tall == height


def _filled(region: Region) -> float:
    """The pixels within the outer contour, holes and all."""
    return cv2.contourArea(region.outline.astype(np.float32))
