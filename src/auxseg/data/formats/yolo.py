"""YOLO's label files: a text file a photo, a polygon per line in shares of the photo."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml

from auxseg.data.datasets.folder.masks import MAX_CLASSES
from auxseg.data.formats.base import Format, Item, Options, Reading, Source
from auxseg.data.formats.classes import clean_name, named_classes
from auxseg.data.formats.files import Photos, agree, files_below
from auxseg.data.formats.frames import Frame, place
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.pairs import find_pairs
from auxseg.data.formats.shapes import Shape, draw
from auxseg.errors import DataError, first_line

#: So many text files are looked into before the folder is taken for another format's.
_LOOK = 50
#: Numbers in a line: a class and a box, or a class and three points or more.
_BOX, _POLYGON = 5, 7
#: Shares beyond the photo by so much are slips of rounding or of the hand.
_SLIP = 0.05
#: Files of class names, one per line, by their names.
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "classes.names")


class Yolo(Format):
    """``labels/**/STEM.txt`` or text files beside the photos, lines ``CLASS x y x y …``.

    - Names come from the YAML file beside (``names:``) or from classes.txt; without either the
      classes are called ``class 0``, ``class 1``, …
    - Class 0 of the masks is the background, so YOLO's class 0 becomes 1.
    - Smaller things are drawn above larger ones. A line of five numbers is a box, whose pixels are
      marked as not labelled.
    - An empty file is background alone; a photo without a file has no mask.
    """

    NAME: ClassVar[str] = "yolo"
    TITLE: ClassVar[str] = "YOLO text files"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        if not source.is_dir():
            return None
        photos = Photos(source)
        for file in _label_files(source)[:_LOOK]:
            try:
                if _lines(file) and photos.of_stem(file.stem):
                    return f"{photos.relative(file)} has lines of a class and points"
            except DataError:
                continue
        return None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        photos = Photos(source, skip=find_pairs(source).files)
        names = _names(source, journal)
        found: dict[Path, tuple[Path, list[_Line]]] = {}
        for file in _label_files(source):
            about = journal.about(photos.relative(file))
            try:
                lines = _lines(file)
                photo = _photo(file, photos)
                if photo in found:
                    other = photos.relative(found[photo][0])
                    raise DataError(f"its photo {photos.relative(photo)} has {other} too")
                found[photo] = file, lines
            except DataError as error:
                about.unreadable("a label file that cannot be read", str(error))
            journal.take(about)
        if not found:
            raise DataError(f"{source}: no label file of YOLO's with a photo of its name")
        numbers = sorted({line.number for _, lines in found.values() for line in lines})
        if names is None:
            largest = max(numbers, default=0)
            if largest >= MAX_CLASSES - 1:
                raise DataError(f"{source}: the label files have a class {largest}")
            names = [f"class {number}" for number in range(largest + 1)]
            journal.decided("no names of the classes (data.yaml, classes.txt): numbered")
        unknown = [number for number in numbers if number >= len(names)]
        if unknown:
            raise DataError(
                f"{source}: the label files have a class {unknown[0]}, but only "
                f"{len(names)} classes are named (0 to {len(names) - 1})"
            )
        classes = named_classes(names, [names[number] for number in numbers], options, journal)
        items = [
            Item(
                photo,
                photo.relative_to(source),
                partial(_read, found[photo][1], names, classes) if photo in found else None,
                photos.part(photo.parent),
            )
            for photo in photos.all
        ]
        return Source(classes, items)


def _photo(file: Path, photos: Photos) -> Path:
    """The photo of a label file: ``labels/…/STEM.txt`` is of ``images/…/STEM``, or of the one photo
    of that name in a folder that says nothing else.

    Raises:
        DataError: there is none, or there are several.
    """
    around = _around(file, photos.source)
    part = photos.part(file.parent)
    found = [
        path
        for path in photos.of_stem(file.stem)
        if agree(part, photos.part(path.parent))
        and (path.parent == file.parent or _around(path, photos.source) in (around, ()))
    ]
    exact = [path for path in found if _around(path, photos.source) == around]
    chosen = exact or found
    if len(chosen) != 1:
        raise DataError(
            "there is no photo of its name" if not chosen else "may be of several photos"
        )
    return chosen[0]


def _around(path: Path, source: Path) -> tuple[str, ...]:
    """The folders around a file but those called images and labels."""
    folders = path.relative_to(source).parts[:-1]
    return tuple(one for one in folders if one.lower() not in ("images", "labels"))


class _Line:
    """One line of a label file.

    Attributes:
        number: YOLO's class.
        points: float64 (n, 2), shares of the photo's width and height; the two corners of a box.
    """

    def __init__(self, number: int, values: Sequence[float]) -> None:
        self.number = number
        self.is_box = len(values) == _BOX - 1
        if self.is_box:
            x, y, width, height = values
            values = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        self.points = np.array(values, dtype=np.float64).reshape(-1, 2)


def _label_files(source: Path) -> list[Path]:
    """Text files that may hold labels; those in a folder ``labels`` first."""
    files = [
        path
        for path in files_below(source)
        if path.suffix.lower() == ".txt" and path.name not in _NAME_FILES
    ]
    inside = [path for path in files if "labels" in path.relative_to(source).parts[:-1]]
    return inside or files


def _lines(file: Path) -> list[_Line]:
    """Reads a label file.

    Raises:
        DataError: it is not of YOLO's form; says which line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})") from None
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        words = line.split()
        try:
            category, values = int(words[0]), [float(word) for word in words[1:]]
        except (ValueError, OverflowError):
            raise DataError(f"line {number} is not a list of numbers: {line[:40]!r}") from None
        count = len(words)
        if category < 0 or not (count == _BOX or (count >= _POLYGON and count % 2)):
            raise DataError(
                f"line {number}: {count} numbers; a class and at least three points x y, or a "
                "class and a box, are allowed"
            )
        if not np.isfinite(values).all():
            raise DataError(f"line {number} holds a value that is not a finite number")
        lines.append(_Line(category, values))
    return lines


def _names(source: Path, journal: Journal) -> list[str] | None:
    """The classes' names by number; None where no file has them."""
    files = sorted(files_below(source), key=lambda path: (len(path.parts), str(path)))
    yamls = [file for file in files if file.suffix.lower() in (".yaml", ".yml")]
    own = [file for file in yamls if file.stem.lower() in ("data", "dataset")]
    lists = [file for file in files if file.name in _NAME_FILES]
    for file in [*own, *lists, *yamls]:
        if file in yamls:
            names = _yaml_names(file, journal)
            if names:
                journal.decided("the classes' names come from", file.name)
                return names
        else:
            listed = file.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines()
            journal.decided("the classes' names come from", file.name)
            return [clean_name(name, number) for number, name in enumerate(listed)]
    return None


def _yaml_names(file: Path, journal: Journal) -> list[str] | None:
    """The entry ``names`` of a YAML file: a list, or number → name.

    Raises:
        DataError: it describes key points and no outlines.
    """
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        about = journal.about(file.name)
        about.unreadable("a YAML file", first_line(error))
        journal.take(about)
        return None
    if isinstance(content, dict) and "kpt_shape" in content:
        raise DataError(f"{file}: its labels are key points, which are no outlines")
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        try:
            numbered = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            return None
        last = max(numbered, default=-1)
        if not 0 <= last < 10_000:
            return None
        return [clean_name(numbered.get(one, ""), one) for one in range(last + 1)]
    if isinstance(names, list):
        return [clean_name(name, number) for number, name in enumerate(names)]
    return None


def _read(
    lines: Sequence[_Line],
    names: Sequence[str],
    classes: tuple[str, ...],
    frame: Frame,
    journal: Journal,
) -> Reading:
    placing = place(frame, None, journal, "outlines")
    if not lines:
        journal.decided("an empty label file: all background")
    shapes = []
    for line in lines:
        outside = max(float((line.points - 1).max()), float((-line.points).max()))
        if outside > _SLIP:
            raise DataError(
                f"a point at {outside:.3g} beyond the photo's edge; x and y are shares, 0 to 1"
            )
        if outside > 0:
            journal.repaired("points just outside of the photo, moved to its edge")
        points = np.clip(line.points, 0, 1) * np.array(placing.drawn)
        name = names[line.number]
        if line.is_box:
            journal.decided("boxes without an outline: their pixels are marked as not labelled")
            shapes.append(Shape(name, box=tuple(points.ravel().tolist())))
        else:
            shapes.append(Shape(name, [points]))
    return draw(shapes, classes, placing, journal, largest_first=True)
