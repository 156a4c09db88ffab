"""LabelMe's files: one JSON file a photo, with the shapes that were drawn on it."""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from auxseg.data.formats.base import Format, Item, Options, Reading, Source
from auxseg.data.formats.classes import clean_name, named_classes
from auxseg.data.formats.files import Photos, files_below, read_json
from auxseg.data.formats.frames import Frame, place
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.pairs import find_pairs
from auxseg.data.formats.shapes import Shape, draw, outline
from auxseg.errors import DataError

#: So many JSON files are looked into before the folder is taken for another format's.
_LOOK = 50
#: LabelMe's own word for pixels that are not to be learned from.
_IGNORED = "__ignore__"
#: A larger width or height is none of a photo's.
_MOST = 10**6
#: Corners of the polygon that stands for a circle.
_CORNERS = 256


class LabelMe(Format):
    """Polygons, rectangles, circles and painted masks.

    - Shapes are drawn in the order of the file, as LabelMe does it: a later one lies above.
    - ``_background_`` is the background (a hole is drawn so), ``__ignore__`` is not labelled.
    - Points and lines have no area and are left out.
    - A file without a shape is background alone; a photo without a file has no mask.
    - A photo that is not there is taken from the file itself (``imageData``).
    """

    NAME: ClassVar[str] = "labelme"
    TITLE: ClassVar[str] = "LabelMe JSON"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        for file in _json_files(source)[:_LOOK]:
            if _is_labelme(file):
                return f"{file.name} has LabelMe's shapes"
        return None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        folder = source if source.is_dir() else source.parent
        photos = Photos(folder, skip=find_pairs(folder).files)
        items: dict[Path, Item] = {}
        used: list[str] = []
        for file in _json_files(source):
            about = journal.about(file.relative_to(folder).as_posix())
            try:
                content = _content(file)
                item = _item(file, content, photos, about)
                if item.name in items:
                    raise DataError(f"photo {item.name.as_posix()} has another label file too")
                used += _names(content)
                items[item.name] = item
            except DataError as error:
                about.unreadable("a label file that cannot be read", _without(file, error))
            journal.take(about)
        if not items:
            raise DataError(f"{source}: no JSON file of LabelMe's can be read{_first(journal)}")
        classes = named_classes(sorted(used), used, options, journal)
        read = [_with_classes(item, classes) for item in items.values()]
        bare = [path for path in photos.all if path.relative_to(folder) not in items]
        others = [Item(path, path.relative_to(folder), None, photos.part(path)) for path in bare]
        return Source(classes, [*read, *others])


def _json_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" else []
    return [path for path in files_below(source) if path.suffix.lower() == ".json"]


def _is_labelme(file: Path) -> bool:
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return b'"shapes"' in text and b'"imagePath"' in text


def _content(file: Path) -> Mapping[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DataError(f"{file}: has no list of shapes")
    if not all(isinstance(one, dict) and "points" in one for one in content["shapes"]):
        raise DataError(f"{file}: a shape has no points")
    return content


def _names(content: Mapping[str, Any]) -> list[str]:
    """The classes of all shapes that have an area."""
    areas = [one for one in content["shapes"] if _kind(one) not in _WITHOUT_AREA]
    return [name for one in areas if (name := _name(one)) is not None]


def _name(shape: Mapping[str, Any]) -> str | None:
    """A shape's class; None for what is not to be learned from."""
    name = clean_name(shape.get("label", ""), 0)
    return None if name == _IGNORED else name


def _kind(shape: Mapping[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")


def _item(file: Path, content: Mapping[str, Any], photos: Photos, journal: Journal) -> Item:
    """The photo of one file, whose reader gets its classes later."""
    said = str(content.get("imagePath") or file.stem)
    try:
        photo = photos.named(said, file)
        content = {key: one for key, one in content.items() if key != "imageData"}  # megabytes
        read = partial(_read, content)
        return Item(photo, photo.relative_to(photos.source), read, photos.part(photo.parent))
    except DataError as error:
        inside = content.get("imageData")
        if not isinstance(inside, str) or not inside:
            raise DataError(f"{error}, and the file does not hold it") from None
    journal.repaired("a photo that is not there, taken from its label file")
    embedded = _embedded(inside)
    name = file.relative_to(photos.source).with_suffix(_ending(embedded))
    rest = {key: one for key, one in content.items() if key != "imageData"}
    return Item(embedded, name, partial(_read, rest), photos.part(file.parent))


def _ending(embedded: bytes) -> str:
    """The ending for a picture of that format."""
    try:
        with Image.open(io.BytesIO(embedded)) as picture:
            return {"JPEG": ".jpg", "PNG": ".png"}.get(picture.format or "", ".png")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"imageData is not a picture ({error})") from None


def _embedded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"imageData is damaged ({error})") from None


def _with_classes(item: Item, classes: tuple[str, ...]) -> Item:
    assert item.read is not None
    return Item(item.photo, item.name, partial(item.read, classes), item.part)  # type: ignore[arg-type]


def _read(
    content: Mapping[str, Any], classes: tuple[str, ...], frame: Frame, journal: Journal
) -> Reading:
    size = content.get("imageWidth"), content.get("imageHeight")
    known = size if all(isinstance(one, int) and 0 < one < _MOST for one in size) else None
    placing = place(frame, known, journal, "outlines")  # type: ignore[arg-type]
    if not content["shapes"]:
        journal.decided("a label file without shapes: all background")
    shapes = []
    for number, one in enumerate(content["shapes"], start=1):
        if _kind(one) in _WITHOUT_AREA:
            journal.left_out(f"shapes without an area: {_kind(one)}")
            continue
        make = _OUTLINES.get(_kind(one))
        if make is None:
            raise DataError(f"shape {number} is of a kind that is not read: {_kind(one)}")
        try:
            shapes.append(make(one, _name(one), placing.drawn))
        except (DataError, ValueError, TypeError, KeyError, OSError) as error:
            raise DataError(f"shape {number} ({_kind(one)}): {error}") from None
    return draw(shapes, classes, placing, journal, largest_first=False)


def _polygon(shape: Mapping[str, Any], name: str | None, size: tuple[int, int]) -> Shape:
    return Shape(name, [outline(shape["points"])])


def _rectangle(shape: Mapping[str, Any], name: str | None, size: tuple[int, int]) -> Shape:
    if len(shape["points"]) == 4:
        return _polygon(shape, name, size)
    (left, top), (right, bottom) = _two(shape)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Shape(name, [np.array(corners)])


def _circle(shape: Mapping[str, Any], name: str | None, size: tuple[int, int]) -> Shape:
    """Its centre and a point of its rim."""
    centre, rim = _two(shape)
    angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Shape(name, [centre + math.dist(centre, rim) * around])


def _painted(shape: Mapping[str, Any], name: str | None, size: tuple[int, int]) -> Shape:
    """A picture of its pixels, and the corners of where it lies, both inside of it."""
    (left, top), _ = np.round(_two(shape)).astype(int).tolist()
    with Image.open(io.BytesIO(_embedded(shape["mask"]))) as picture:
        inside = np.asarray(picture.convert("L")) > 0
    width, height = size
    whole = np.zeros((height, width), dtype=bool)
    room = whole[max(0, top) :, max(0, left) :]
    part = inside[max(0, -top) :, max(0, -left) :][: room.shape[0], : room.shape[1]]
    room[: part.shape[0], : part.shape[1]] = part
    return Shape(name, filled=whole)


def _two(shape: Mapping[str, Any]) -> np.ndarray:
    points = outline(shape["points"])
    if len(points) != 2:
        raise DataError(f"{len(points)} points, not two")
    return points


#: The shapes that have no area,
_WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})
#: and those that have one.
_OUTLINES = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "rotation": _polygon,
    "oriented_rectangle": _polygon,
    "circle": _circle,
    "mask": _painted,
}


def _without(file: Path, error: DataError) -> str:
    """The error's text without the file's name, which stands beside it."""
    return str(error).removeprefix(f"{file}: ")


def _first(journal: Journal) -> str:
    lines = [line for line in journal if line.kind == "unreadable"]
    return f" (first: {lines[0].file}: {lines[0].detail})" if lines else ""
