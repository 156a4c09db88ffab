"""A source in any known format → the folder layout, whole or not at all."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from auxseg.data.base import PARTS
from auxseg.data.datasets.folder.labels import BOX_COLUMNS, Row, read_labels
from auxseg.data.decode import read_image
from auxseg.data.files import unread
from auxseg.data.formats.base import Item, Object, Options, Source
from auxseg.data.formats.colours import Colours
from auxseg.data.formats.files import files_below
from auxseg.data.formats.frames import Frame
from auxseg.data.formats.indices import Indices
from auxseg.data.formats.journal import JOURNAL_FILE, Journal
from auxseg.data.formats.recognise import recognise
from auxseg.errors import DataError, UsageError, first_line
from auxseg.palette import mask_picture
from auxseg.types import IGNORE_INDEX

#: Of the photos to train on, every so many-th becomes one to validate on, where a source has a part
#: to test on and none to validate on.
_EVERY = 5


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        classes: names in index order.
        photos: how many.
        masks: how many of them have a mask.
        ignored: whether a mask has pixels that are not labelled.
        journal: everything that was not plain.
    """

    out: Path
    format: str
    classes: tuple[str, ...]
    photos: int
    masks: int
    ignored: bool
    journal: Journal


@dataclass(frozen=True)
class _Written:
    """One photo of the new folder.

    Attributes:
        objects: None where the format tells none apart.
        row: what the source's own labels.csv says, which comes before the objects.
    """

    name: str
    part: str | None
    has_mask: bool = False
    ignored: bool = False
    objects: tuple[Object, ...] | None = None
    row: Row | None = None


def convert(
    source: Path, out: Path, name: str | None = None, options: Options | None = None
) -> Converted:
    """Writes ``images/``, ``masks/``, ``classes.txt``, ``labels.csv`` and the journal.

    Photos are copied byte by byte. Everything is written beside ``out`` and gets its name in the
    end, so that there is a whole folder or none.

    Args:
        name: the format; None for the one that the source shows.

    Raises:
        UsageError: an unknown format, or class names that are too few.
        DataError: ``out`` is not empty, or the source cannot be read.
    """
    source, out = source.expanduser(), out.expanduser().absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already; name a folder that is empty or not there")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{out}: lies in {source}, which is read; name a folder outside of it")
    journal = Journal()
    options = options or Options()
    kind = recognise(source, name, options, journal)
    if options.ignore_index is not None and kind is not Indices:
        raise UsageError(f"--ignore-index: has no effect on {kind.TITLE}")
    if options.palette is not None and kind is not Colours:
        raise UsageError(f"--palette: has no effect on {kind.TITLE}")
    read = kind.read(source, options, journal)
    if not read.items:
        raise DataError(f"{source}: holds no photo")
    _tell_unread(source, journal)
    beside = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        written = _write(beside, source, read, journal)
        if out.exists():
            out.rmdir()
        os.replace(beside, out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Converted(
        *(out, kind.NAME, read.classes, len(written)),
        masks=sum(one.has_mask for one in written),
        ignored=any(one.ignored for one in written),
        journal=journal,
    )


def _write(out: Path, source: Path, read: Source, journal: Journal) -> list[_Written]:
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = _names([item.name for item in read.items], journal)
    journals = [journal.about(item.name.as_posix()) for item in read.items]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(
            pool.map(
                lambda one: _write_one(out, *one), zip(read.items, names, journals, strict=True)
            )
        )
    for one in journals:
        journal.take(one)
    rows = _rows(source / "labels.csv", read.items, journal)
    written = [
        one if row is None else replace(one, part=row.part or one.part, row=row)
        for one, row in zip(results, rows, strict=True)
        if one is not None
    ]
    if not written:
        raise DataError(f"{source}: no photo can be read{_first_unreadable(journal)}")
    if not any(one.has_mask for one in written):
        raise DataError(f"{source}: no photo gets a mask{_first_unreadable(journal)}")
    text = "".join(f"{name}\n" for name in read.classes)
    (out / "classes.txt").write_text(text, encoding="utf-8")
    _write_table(out / "labels.csv", written, journal)
    journal.write(out / JOURNAL_FILE)
    return written


def _write_one(out: Path, item: Item, name: str, journal: Journal) -> _Written | None:
    """Copies one photo and writes its mask; None for a photo that cannot be read."""
    photo = out / "images" / name
    try:
        content = item.photo if isinstance(item.photo, bytes) else item.photo.read_bytes()
    except OSError as error:
        journal.unreadable("a photo, left out", error.strerror or str(error))
        return None
    photo.write_bytes(content)
    try:
        read_image(photo)
    except DataError as error:
        journal.unreadable("a photo, left out", str(error).removeprefix(f"{photo}: "))
        photo.unlink()
        return None
    if item.read is None:
        return _Written(name, item.part)
    try:
        reading = item.read(Frame.of(photo), journal)
    except DataError as error:
        journal.unreadable("labels: the photo is kept without a mask", _detail(error))
        return _Written(name, item.part)
    except Exception as error:  # one label file that nobody thought of must not end the others
        text = f"{type(error).__name__}: {first_line(error)}"
        journal.unreadable("labels: the photo is kept without a mask", text)
        return _Written(name, item.part)
    mask = reading.mask
    if mask is not None:
        mask_picture(mask).save(out / "masks" / f"{photo.stem}.png")
    ignored = mask is not None and bool((mask == IGNORE_INDEX).any())
    return _Written(name, item.part, mask is not None, ignored, reading.objects)


def _detail(error: DataError) -> str:
    """The error's text without the folders of a file that it names."""
    text = str(error)
    path, separator, rest = text.partition(": ")
    return f"{Path(path).name}: {rest}" if separator and Path(path).is_absolute() else text


def _rows(path: Path, items: Sequence[Item], journal: Journal) -> list[Row | None]:
    """The rows of a labels.csv that lies in the source already, one for each item."""
    if not path.is_file():
        return [None] * len(items)
    stems = Counter(item.name.stem for item in items)
    numbers = {item.name.name: number for number, item in enumerate(items)}
    for number, item in enumerate(items):
        if stems[item.name.stem] == 1:
            numbers[item.name.stem] = number
    about = journal.about(path.name)
    try:
        table = read_labels(path, numbers)
    except DataError as error:
        about.unreadable("a table that is not auxseg's", str(error).removeprefix(f"{path} "))
        journal.take(about)
        return [None] * len(items)
    about.decided("classes, boxes and parts come from the source's own table")
    for problem in table.problems:
        about.unreadable("a row of the source's own table", problem.removeprefix(f"{path} "))
    journal.take(about)
    return [table.rows.get(number) for number in range(len(items))]


def _names(paths: Sequence[Path], journal: Journal) -> list[str]:
    """A file name for each photo, no two with the same stem, whatever folders they came from."""
    stems = Counter(path.stem.lower() for path in paths)
    names = []
    taken: set[str] = set()
    for path in paths:
        name = path.name.encode(errors="replace").decode().replace("?", "_").lstrip(".")
        if name != path.name:
            _renamed(path, name, journal)
        if stems[path.stem.lower()] > 1 and len(path.parts) > 1:
            name = "_".join((*path.parts[:-1], name))
            _renamed(path, name, journal)
        stem, number = Path(name).stem, 2
        while Path(name).stem.lower() in taken:
            name = f"{stem}-{number}{path.suffix}"
            number += 1
            _renamed(path, name, journal)
        taken.add(Path(name).stem.lower())
        names.append(name)
    return names


def _renamed(path: Path, name: str, journal: Journal) -> None:
    about = journal.about(path.as_posix())
    about.repaired("a photo's name that another one has, too", f"now {name}")
    journal.take(about)


def _write_table(path: Path, written: Sequence[_Written], journal: Journal) -> None:
    """labels.csv, with the columns that the source has something for."""
    labels = [_label(one) for one in written]
    boxes = [_box(one) for one in written]
    parts = _parts(written, journal)
    told = {label for label in labels if label is not None}
    columns: dict[str, list[str]] = {}
    if len(told) > 1:
        columns["label"] = [label or "" for label in labels]
        several = sum(len({o.name for o in one.objects}) > 1 for one in written if one.objects)
        if several:
            journal.left_out(
                "the class of a photo: it holds things of several", f"{several} photos"
            )
    elif told:
        journal.left_out(f"a column of classes: all photos are of {told.pop()!r}")
    if any(box is not None for box in boxes):
        for number, column in enumerate(BOX_COLUMNS):
            columns[column] = ["" if box is None else f"{box[number]:g}" for box in boxes]
        more = sum(len(one.objects) > 1 for one in written if one.objects)
        if more:
            journal.left_out("the box of a photo: it holds several things", f"{more} photos")
    if parts is not None:
        columns["split"] = parts
    if not columns:
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", *columns])
        table.writerows(
            [one.name, *(cells[number] for cells in columns.values())]
            for number, one in enumerate(written)
        )


def _label(one: _Written) -> str | None:
    """The class of all things in a photo; None where there are none or several."""
    if one.row is not None and one.row.label is not None:
        return one.row.label
    names = {found.name for found in one.objects or ()}
    return names.pop() if len(names) == 1 else None


def _box(one: _Written) -> tuple[float, float, float, float] | None:
    """The box of the one thing in a photo."""
    if one.row is not None and one.row.box is not None:
        return one.row.box
    return one.objects[0].box if one.objects is not None and len(one.objects) == 1 else None


def _parts(written: Sequence[_Written], journal: Journal) -> list[str] | None:
    """The part of each photo; None where the source does not divide its photos."""
    masks = Counter(one.part for one in written if one.has_mask)
    if not masks["train"] or not (masks["val"] or masks["test"]):
        named = [part for part in PARTS if masks[part]]
        if named:
            journal.left_out(f"the parts: the source has {' and '.join(named)} alone")
        return None
    parts = [one.part or "train" for one in written]
    unnamed = sum(one.part is None for one in written)
    if unnamed:
        journal.decided("photos of no part go to train", f"{unnamed} photos")
    if not masks["val"]:
        trained = [
            number
            for number, one in enumerate(written)
            if one.has_mask and parts[number] == "train"
        ]
        for number in trained[::_EVERY]:
            parts[number] = "val"
        journal.decided(
            "the source has no part to validate on: taken from train",
            f"every {_EVERY}th photo with a mask, {len(trained[::_EVERY])} of {len(trained)}",
        )
    return parts


def _tell_unread(source: Path, journal: Journal) -> None:
    """Photos in formats that are not read."""
    for path in files_below(source) if source.is_dir() else ():
        kind = unread(path)
        if kind is not None:
            about = journal.about(path.relative_to(source).as_posix())
            about.unreadable(f"{kind} files; convert them to JPEG or PNG")
            journal.take(about)


def _first_unreadable(journal: Journal) -> str:
    for line in journal:
        if line.kind == "unreadable":
            return f" (first: {line.file}: {line.detail or line.matter})"
    return ""
