"""A split kept by image names, so that it outlives images and labels that come or go later."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from auxseg.data.base import PARTS, Dataset, Split
from auxseg.errors import DataError

#: The part of images that a split leaves out, as ``paper`` does with images without a box.
UNUSED = "unused"

#: What a row of a split file says.
COLUMNS = ("image", "part")
ALLOWED = (*PARTS, UNUSED)

#: By which ``--split`` tells a file from a name.
ENDING = ".csv"


@dataclass(frozen=True)
class KeptSplit:
    """The part of each image, by name.

    Attributes:
        file: where it was read.
        parts: image name → train, val, test or unused. Images that are not named here came later
            and are trained on: they never go where something is measured or chosen.
    """

    file: Path
    parts: Mapping[str, str]


@dataclass(frozen=True)
class NamedSplit:
    """A data set's split, by number and by name.

    Attributes:
        split: of the images that are there.
        parts: the part of every image, in the data set's order; behind them, those of images that
            a kept split names and that are gone: should they come back, they are what they were.
        notes: what a user should know of how they were drawn, or of images that came or went.
    """

    split: Split
    parts: Mapping[str, str]
    notes: tuple[str, ...] = ()


def is_split_file(split: str | None) -> bool:
    """Whether the value of ``--split`` is a file and not the name of a split."""
    return split is not None and split.endswith(ENDING)


def split_of_file(split: str | None) -> KeptSplit | None:
    """The split of ``--split FILE.csv``; None where a split is named, or none.

    Raises:
        DataError: see :func:`read_split`.
    """
    if split is None or not is_split_file(split):
        return None
    return read_split(Path(split).expanduser())


def named_split(dataset: Dataset, kept: KeptSplit | None = None) -> NamedSplit:
    """The split of a data set: the kept one, or else its own.

    Raises:
        DataError: two images have one name, or the data set has no image of the kept split.
    """
    names = _distinct_names(dataset)
    if kept is None:
        drawn = dataset.split()
        part_of = {names[index]: part for part in PARTS for index in getattr(drawn, part)}
        here = {name: part_of.get(name, UNUSED) for name in names}
        return NamedSplit(_by_number(here), here, drawn.notes)
    here = {name: kept.parts.get(name, "train") for name in names}
    return NamedSplit(_by_number(here), {**here, **kept.parts}, _notes(dataset, names, kept))


def _by_number(parts: Mapping[str, str]) -> Split:
    """Ascending numbers: the same images are the same split, whoever drew or kept it."""
    return Split(
        *(
            tuple(number for number, part in enumerate(parts.values()) if part == wanted)
            for wanted in PARTS
        )
    )


def _distinct_names(dataset: Dataset) -> list[str]:
    names = [dataset.name(index) for index in range(len(dataset))]
    if len(set(names)) < len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{dataset.NAME}: two images are called {twin}; names have to differ")
    return names


def _notes(dataset: Dataset, names: Sequence[str], kept: KeptSplit) -> tuple[str, ...]:
    there = set(names)
    new = [name for name in names if name not in kept.parts]
    gone = [name for name in kept.parts if name not in there]
    if len(gone) == len(kept.parts):
        raise DataError(
            f"{kept.file}: the data set {dataset.NAME} has none of its {len(gone)} images "
            f"(first: {gone[0]})"
        )
    notes = []
    if gone:
        notes.append(
            f"{kept.file}: {len(gone)} of its {len(kept.parts)} images are gone and passed over "
            f"(first: {gone[0]})"
        )
    if new:
        notes.append(
            f"{kept.file}: {len(new)} of {len(names)} images are not in it and put into train "
            f"(first: {new[0]})"
        )
    return tuple(notes)


def read_split(path: Path) -> KeptSplit:
    """Reads a split file: a header ``image,part``, then a row per image.

    Raises:
        DataError: no such file, or it is malformed: names file, line and what is allowed.
    """
    parts: dict[str, str] = {}
    try:
        # utf-8-sig: spreadsheets put a byte order mark first. File names may be no text at all.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line, cells in _lines(path, file):
                name, part = _row(f"{path} line {line}", cells, parts)
                parts[name] = part
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); a split file is a table with the columns "
            f"{','.join(COLUMNS)}"
        ) from None
    if not parts:
        raise DataError(f"{path}: holds no image; it needs a row {','.join(COLUMNS)} for each")
    return KeptSplit(path, parts)


def _lines(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line below the header that is not empty."""
    reader = csv.reader(file, strict=True)
    try:
        header = tuple(cell.strip() for cell in next(reader, []))
        if header != COLUMNS:
            raise DataError(f"{path} line 1: the header has to be {','.join(COLUMNS)}")
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(
            f"{path} line {reader.line_num}: {error}; a row is an image's name and its part "
            f"({', '.join(ALLOWED)}), with a comma between them"
        ) from None


def _row(where: str, cells: Sequence[str], known: Mapping[str, str]) -> tuple[str, str]:
    if len(cells) != len(COLUMNS):
        raise DataError(f"{where}: {len(cells)} cells; a row has two, {','.join(COLUMNS)}")
    name, part = cells[0], cells[1].strip()
    if part not in ALLOWED:
        raise DataError(f"{where}: part {part!r} is not one of {', '.join(ALLOWED)}")
    if not name:
        raise DataError(f"{where}: the image's name is missing")
    if name in known:
        raise DataError(f"{where}: {name} has a row already; each image has one")
    return name, part
