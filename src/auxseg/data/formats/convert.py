"""A source in any known format → the folder layout, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auxseg.data.building import appearing
from auxseg.data.decode import read_image
from auxseg.data.files import unread
from auxseg.data.formats.base import Item, Options, Source
from auxseg.data.formats.colours import Colours
from auxseg.data.formats.files import files_below
from auxseg.data.formats.frames import Frame
from auxseg.data.formats.indices import Indices
from auxseg.data.formats.journal import JOURNAL_FILE, Journal
from auxseg.data.formats.pairs import folder_class
from auxseg.data.formats.recognise import recognise
from auxseg.data.formats.table import Written, own_rows, write_table
from auxseg.data.threads import in_threads
from auxseg.errors import DataError, UsageError, first_line
from auxseg.palette import mask_picture
from auxseg.types import IGNORE_INDEX


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


def convert(
    source: Path, out: Path, name: str | None = None, options: Options | None = None
) -> Converted:
    """Writes ``images/``, ``masks/``, ``classes.txt``, ``labels.csv`` and the journal.

    Photos are copied byte by byte. There is a whole folder in the end, or none.

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
    with appearing(out) as building:
        written = _write(building, source, read, options, journal)
    return Converted(
        *(out, kind.NAME, read.classes, len(written)),
        masks=sum(one.has_mask for one in written),
        ignored=any(one.ignored for one in written),
        journal=journal,
    )


def _write(
    out: Path, source: Path, read: Source, options: Options, journal: Journal
) -> list[Written]:
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = _names([item.name for item in read.items], journal)
    journals = [journal.about(item.name.as_posix()) for item in read.items]
    photos = list(zip(read.items, names, journals, strict=True))
    results = in_threads(lambda one: _write_one(out, *one), photos, "converting photos")
    for one in journals:
        journal.take(one)
    rows = own_rows(source / "labels.csv", read.items, journal)
    folders = [folder_class(item.name) if options.folder_classes else None for item in read.items]
    written = [
        replace(one, part=one.part if row is None else row.part or one.part, row=row, folder=folder)
        for one, row, folder in zip(results, rows, folders, strict=True)
        if one is not None
    ]
    if options.folder_classes:
        _tell_folders(written, journal)
    if not written:
        raise DataError(f"{source}: no photo can be read{_first_unreadable(journal)}")
    if not any(one.has_mask for one in written):
        raise DataError(f"{source}: no photo gets a mask{_first_unreadable(journal)}")
    text = "".join(f"{name}\n" for name in read.classes)
    (out / "classes.txt").write_text(text, encoding="utf-8")
    write_table(out / "labels.csv", written, journal)
    journal.write(out / JOURNAL_FILE)
    return written


def _write_one(out: Path, item: Item, name: str, journal: Journal) -> Written | None:
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
        return Written(name, item.part)
    try:
        reading = item.read(Frame.of(photo), journal)
    except DataError as error:
        journal.unreadable("labels: the photo is kept without a mask", _detail(error))
        return Written(name, item.part)
    except Exception as error:  # one label file that nobody thought of must not end the others
        text = f"{type(error).__name__}: {first_line(error)}"
        journal.unreadable("labels: the photo is kept without a mask", text)
        return Written(name, item.part)
    mask = reading.mask
    if mask is not None:
        mask_picture(mask).save(out / "masks" / f"{photo.stem}.png")
    ignored = mask is not None and bool((mask == IGNORE_INDEX).any())
    return Written(name, item.part, mask is not None, ignored, reading.objects)


def _detail(error: DataError) -> str:
    """The error's text without the folders of a file that it names."""
    text = str(error)
    path, separator, rest = text.partition(": ")
    return f"{Path(path).name}: {rest}" if separator and Path(path).is_absolute() else text


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


def _tell_folders(written: Sequence[Written], journal: Journal) -> None:
    """Of how many photos the folder says the class."""
    found = sorted({one.folder for one in written if one.folder is not None})
    if not found:
        raise UsageError("--folder-classes: no photo lies in a folder that could be a class")
    count = sum(one.folder is not None for one in written)
    shown = ", ".join(found[:10]) + (", …" if len(found) > 10 else "")
    journal.decided(
        "the class of a photo is the folder that it lies in",
        f"{count} of {len(written)} photos; {shown}",
    )


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
