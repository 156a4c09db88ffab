"""COCO's annotation file: polygons or run lengths of all photos in one JSON file."""

from __future__ import annotations

from collections import Counter, defaultdict
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
from auxseg.data.formats.pairs import find_pairs
from auxseg.data.formats.shapes import Shape, draw, outline
from auxseg.errors import DataError

#: So many JSON files are looked into: where there are more, each is of one photo.
_MOST_FILES = 50
#: The lists that make a JSON file COCO's.
_LISTS = ("images", "annotations", "categories")
#: Run lengths of more pixels than any photo has would fill the memory.
_MOST_PIXELS = 2**30
#: Folders of annotation files whose photos lie beside the folder.
_BESIDE = ("annotations", "annotation", "labels")

Id = int | str


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
        if source.is_file() and folder.name.lower() in _BESIDE:
            folder = folder.parent  # annotations/instances_train2017.json, train2017/
        tables = _without_repeats([_Table.read(file, folder) for file in files], journal)
        offered = [name for table in tables for name in table.names.values()]
        used = [name for table in tables for name in table.used()]
        _tell_repeated(tables, journal)
        classes = named_classes(offered, used, options, journal)
        photos = Photos(folder, skip=find_pairs(folder).files)
        items: dict[Path, Item] = {}
        for table in tables:
            for item in table.items(photos, classes, journal):
                assert isinstance(item.photo, Path)
                if item.photo in items:
                    raise DataError(
                        f"{table.file}: {photos.relative(item.photo)} is listed twice, or in "
                        "another annotation file too"
                    )
                items[item.photo] = item
        bare = [path for path in photos.all if path not in items]
        unlisted = [Item(path, path.relative_to(folder), None, photos.part(path)) for path in bare]
        return Source(classes, [*items.values(), *unlisted])


def _without_repeats(tables: Sequence[_Table], journal: Journal) -> list[_Table]:
    """The files but those whose photos another one lists already, such as COCO's own key points
    beside its instances."""
    kept: list[_Table] = []
    for table in sorted(tables, key=lambda one: "instances" not in one.file.name):
        names = {str(image["file_name"]) for image in table.images}
        part = part_of(table.file.relative_to(table.folder))
        twin = next(
            (
                one
                for one in kept
                if part_of(one.file.relative_to(one.folder)) == part
                and names <= {str(image["file_name"]) for image in one.images}
                and one.file.parent == table.file.parent
            ),
            None,
        )
        if twin is None:
            kept.append(table)
        else:
            about = journal.about(table.file.relative_to(table.folder).as_posix())
            about.left_out("another annotation file of the same photos", twin.file.name)
            journal.take(about)
    return kept


def _tell_repeated(tables: Sequence[_Table], journal: Journal) -> None:
    """Categories of one file that share a name become one class."""
    for table in tables:
        names = Counter(table.names.values())
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            journal.decided("categories of one name become one class", ", ".join(twice))


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
        names: Mapping[Id, str],
        images: Sequence[Mapping[str, Any]],
        annotations: Mapping[Id, list[Mapping[str, Any]]],
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
            names: dict[Id, str] = {}
            for one in sorted(content["categories"], key=lambda one: str(one["id"]).zfill(20)):
                number = _id(one["id"])
                if number in names:
                    raise DataError(f"{file}: two categories have the id {number}")
                names[number] = clean_name(one["name"], len(names) + 1)
            images = content["images"]
            known = Counter(_id(one["id"]) for one in images)
            _ = [one["file_name"] for one in images]
            twice = [number for number, count in known.items() if count > 1]
            if twice:
                raise DataError(f"{file}: two photos have the id {twice[0]}")
            by_image: defaultdict[Id, list[Mapping[str, Any]]] = defaultdict(list)
            for one in content["annotations"]:
                category = _id(one["category_id"])
                if category not in names:
                    raise DataError(
                        f"{file}: annotation {one.get('id', '?')} is of category {category}, which "
                        "the file does not name"
                    )
                by_image[_id(one["image_id"])].append(one)
        except KeyError as error:
            raise DataError(f"{file}: an entry of its lists has no {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{file}: an entry of its lists is not COCO's ({error})") from None
        lost = [number for number in by_image if number not in known]
        if lost:
            raise DataError(f"{file}: annotations of photo {lost[0]}, which the file does not list")
        return cls(file, folder, names, images, by_image)

    def used(self) -> list[str]:
        """Names of the categories of all annotations."""
        numbers = {_id(one["category_id"]) for found in self.annotations.values() for one in found}
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
        annotations = self.annotations.get(_id(image["id"]), [])
        if not annotations:
            journal.decided("no annotation of a photo that the label file lists: all background")
        # One after another: run lengths become arrays as large as the photo.
        shapes = (
            _shape(one, self.names[_id(one["category_id"])], placing.drawn, journal)
            for one in annotations
        )
        found = (shape for shape in shapes if shape is not None)
        return draw(found, classes, placing, journal, largest_first=True)


def _id(value: Any) -> Id:
    """An id as the file has it: whole numbers, also written as 1.0 or "1", or text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"the id {value!r} is neither a whole number nor text")
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else value


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height as the file has them; None where it does not."""
    width, height = image.get("width"), image.get("height")
    if not isinstance(width, int | float) or not isinstance(height, int | float):
        return None
    return (int(width), int(height)) if 0 < width < 1e6 and 0 < height < 1e6 else None


def _shape(
    annotation: Mapping[str, Any], name: str, size: tuple[int, int], journal: Journal
) -> Shape | None:
    """The outline of one annotation; its box where it has no outline.

    Raises:
        DataError: neither is readable; names the annotation.
    """
    crowd = bool(annotation.get("iscrowd"))
    if crowd:
        journal.decided("crowds, outlined roughly: marked as not labelled")
    drawn = annotation.get("segmentation")
    try:
        if isinstance(drawn, Mapping):
            return Shape(None if crowd else name, filled=_filled(drawn, size))
        flat = [drawn] if drawn and not isinstance(drawn[0], Sequence) else drawn or []
        outlines = [points for one in flat if len(points := outline(one)) >= 3]
        if outlines:
            return Shape(None if crowd else name, outlines)
        box = annotation.get("bbox")
        if not box:
            journal.left_out("annotations with neither outline nor box")
            return None
        left, top, width, height = (float(one) for one in box)
    except (TypeError, ValueError, KeyError, OverflowError, DataError) as error:
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
