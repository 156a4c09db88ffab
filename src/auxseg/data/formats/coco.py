"""COCO's annotation file: polygons or run lengths of all photos in one JSON file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from auxseg.data.formats.base import Format, Item, Options, Reading, Source
from auxseg.data.formats.classes import clean_name, named_classes
from auxseg.data.formats.files import Photos, files_below, part_of, read_json
from auxseg.data.formats.frames import Frame, place
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.shapes import Shape, draw, outline
from auxseg.errors import DataError

#: So many JSON files are looked into: where there are more, each is of one photo.
_MOST_FILES = 50
#: The lists that make a JSON file COCO's.
_LISTS = ("images", "annotations", "categories")
#: Run lengths of more pixels than any photo has would fill the memory.
_MOST_PIXELS = 2**30


class Coco(Format):
    """Polygons, compressed and plain run lengths, and crowds.

    - Categories become classes 1, 2, … in the order of their ids; those that no annotation uses are
      left out. What is not outlined is the background.
    - COCO knows no order of depth: smaller things are drawn above larger ones.
    - A crowd is outlined roughly, and what has a box alone lies somewhere in it: their pixels are
      marked as not labelled where nothing else is drawn.
    - A photo that the file lists without an annotation is background; one that it does not list has
      no mask.

    Where several files lie in the source, each is read; a photo that two of them list is an error.
    """

    NAME: ClassVar[str] = "coco"
    TITLE: ClassVar[str] = "COCO JSON"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        found = _annotation_files(source)
        return f"{found[0].name} has COCO's lists" if found else None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        files = _annotation_files(source)
        if not files:
            raise DataError(f"{source}: no JSON file with the lists {', '.join(_LISTS)}")
        folder = source if source.is_dir() else source.parent
        tables = [_Table.read(file, folder) for file in files]
        used = [name for table in tables for name in table.used()]
        offered = [name for table in tables for name in table.names.values()]
        classes = named_classes(offered, used, options, journal)
        photos = Photos(folder)
        items: dict[Path, Item] = {}
        for table in tables:
            for item in table.items(photos, classes, journal):
                assert isinstance(item.photo, Path)
                if item.photo in items:
                    raise DataError(
                        f"{table.file}: {photos.relative(item.photo)} is in another annotation "
                        "file too; convert one of them: auxseg data convert "
                        f"{table.file} --out DIR"
                    )
                items[item.photo] = item
        bare = [path for path in photos.all if path not in items]
        unlisted = [Item(path, path.relative_to(folder), None, photos.part(path)) for path in bare]
        return Source(classes, [*items.values(), *unlisted])


def _annotation_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" and _is_coco(source) else []
    files = [path for path in files_below(source) if path.suffix.lower() == ".json"]
    files.sort(key=lambda path: (len(path.parts), str(path)))
    return [path for path in files[:_MOST_FILES] if _is_coco(path)]


def _is_coco(path: Path) -> bool:
    """Whether all lists are there; looks for their names before it reads the file as JSON."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    if not all(f'"{name}"'.encode() in text for name in _LISTS):
        return False
    content = read_json(path)
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _LISTS)


class _Table:
    """One annotation file."""

    def __init__(
        self,
        file: Path,
        folder: Path,
        names: Mapping[int, str],
        images: Sequence[Mapping[str, Any]],
        annotations: Mapping[int, list[Mapping[str, Any]]],
    ) -> None:
        self.file, self.folder, self.names = file, folder, names
        self.images, self.annotations = images, annotations

    @classmethod
    def read(cls, file: Path, folder: Path) -> _Table:
        """Reads the lists.

        Raises:
            DataError: an entry lacks what every entry must have; names the file and the entry.
        """
        content = read_json(file)
        try:
            listed = [(int(one["id"]), one["name"]) for one in content["categories"]]
            names = {number: clean_name(name, number) for number, name in sorted(listed)}
            images = content["images"]
            for one in images:
                int(one["id"]), str(one["file_name"])
            by_image: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
            for one in content["annotations"]:
                category = int(one["category_id"])
                if category not in names:
                    raise DataError(
                        f"{file}: annotation {one.get('id', '?')} is of category {category}, which "
                        "the file does not name"
                    )
                by_image[int(one["image_id"])].append(one)
        except KeyError as error:
            raise DataError(f"{file}: an entry of its lists has no {error}") from None
        except (TypeError, ValueError) as error:
            raise DataError(f"{file}: an entry of its lists is not COCO's ({error})") from None
        known = {int(one["id"]) for one in images}
        lost = by_image.keys() - known
        if lost:
            raise DataError(
                f"{file}: annotations of photo {min(lost)}, which the file does not list"
            )
        return cls(file, folder, names, images, by_image)

    def used(self) -> list[str]:
        """Names of the categories of all annotations."""
        numbers = {int(one["category_id"]) for found in self.annotations.values() for one in found}
        return [name for number, name in self.names.items() if number in numbers]

    def items(self, photos: Photos, classes: tuple[str, ...], journal: Journal) -> list[Item]:
        """The photos of this file that are there; the others go to the journal."""
        items = []
        for image in self.images:
            said = str(image["file_name"])
            about = journal.about(said)
            try:
                path = photos.named(said, self.file)
            except DataError as error:
                about.unreadable("a photo that the label file names is not there", str(error))
                journal.take(about)
                continue
            read = partial(self._read, image, classes)
            part = part_of(self.file.relative_to(self.folder)) or photos.part(path.parent)
            items.append(Item(path, path.relative_to(photos.source), read, part))
        return items

    def _read(
        self, image: Mapping[str, Any], classes: tuple[str, ...], frame: Frame, journal: Journal
    ) -> Reading:
        drawn = _size(image)
        placing = place(frame, drawn, journal, "outlines")
        annotations = self.annotations.get(int(image["id"]), [])
        if not annotations:
            journal.decided("no annotation of a photo that the label file lists: all background")
        shapes = []
        for one in annotations:
            name = self.names[int(one["category_id"])]
            if one.get("iscrowd"):
                journal.decided("crowds, outlined roughly: marked as not labelled")
            shape = _shape(one, name, placing.drawn, journal)
            if shape is not None:
                shapes.append(shape)
        return draw(shapes, classes, placing, journal, largest_first=True)


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height as the file has them; None where it does not."""
    width, height = image.get("width"), image.get("height")
    if not isinstance(width, int | float) or not isinstance(height, int | float):
        return None
    return (int(width), int(height)) if width > 0 and height > 0 else None


def _shape(
    annotation: Mapping[str, Any], name: str, size: tuple[int, int], journal: Journal
) -> Shape | None:
    """The outline of one annotation; its box where it has no outline.

    Raises:
        DataError: neither is readable; names the annotation.
    """
    crowd = bool(annotation.get("iscrowd"))
    drawn = annotation.get("segmentation")
    try:
        if isinstance(drawn, Mapping):
            return Shape(None if crowd else name, filled=_filled(drawn, size))
        if drawn:
            flat = [drawn] if not isinstance(drawn[0], Sequence) else drawn
            return Shape(None if crowd else name, [outline(one) for one in flat])
        box = annotation.get("bbox")
        if not box:
            journal.left_out("annotations with neither outline nor box")
            return None
        left, top, width, height = (float(one) for one in box)
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"annotation {annotation.get('id', '?')}: {error}") from None
    except DataError as error:
        raise DataError(f"annotation {annotation.get('id', '?')}: {error}") from None
    journal.decided("boxes without an outline: their pixels are marked as not labelled")
    return Shape(name, box=(left, top, left + width, top + height))


def _filled(runs: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Run lengths, compressed (text) or plain (a list), column by column → bool (H, W).

    Not by pycocotools, which writes beyond the picture where run lengths are longer than it.
    """
    height, width = (int(one) for one in runs["size"])
    if (width, height) != size:
        raise DataError(f"run lengths of {width} × {height} pixels in a photo of {size}")
    if height * width > _MOST_PIXELS:
        raise DataError(f"run lengths of {width} × {height} pixels")
    counts = runs["counts"]
    if isinstance(counts, str):
        counts = _decompressed(counts)
    lengths = np.asarray(counts, dtype=np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != height * width:
        raise DataError(f"run lengths that do not add up to {width} × {height} pixels")
    inside = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    return np.asarray(inside.reshape(width, height).T)


def _decompressed(text: str) -> list[int]:
    """COCO's compressed run lengths: six bits a letter, the difference to the last but one run."""
    counts: list[int] = []
    value = shift = 0
    for letter in text.encode("ascii"):
        six = letter - 48
        if not 0 <= six < 64:
            raise DataError("compressed run lengths with a letter that is none of theirs")
        value |= (six & 31) << shift
        shift += 5
        if six & 32:
            continue
        if six & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("compressed run lengths that end in the middle of a number")
    return counts
