"""labels.csv of a user's folder: one row an image, with its class, box and part."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.base import PARTS
from auxseg.data.boxes import box_problem
from auxseg.errors import DataError

BOX_COLUMNS = ("xmin", "ymin", "xmax", "ymax")
COLUMNS = ("image", "label", *BOX_COLUMNS, "split")


@dataclass(frozen=True)
class Row:
    """What labels.csv says of one image; None where its cell is empty or the column missing.

    Attributes:
        line: the row's line in the file, from 1.
        box: xmin, ymin, xmax, ymax in pixels of the photo.
        part: ``train``, ``val`` or ``test``.
    """

    line: int
    label: str | None = None
    box: tuple[float, float, float, float] | None = None
    part: str | None = None


@dataclass(frozen=True)
class LabelTable:
    """The sound rows of a labels.csv, and a line of text for everything else.

    Attributes:
        rows: image number → its row.
        has_parts: whether there is a ``split`` column.
        problems: one line each, naming the file and the line.
        faulty: numbers of the images whose row is none of the sound ones.
    """

    rows: Mapping[int, Row]
    has_parts: bool
    problems: tuple[str, ...]
    faulty: frozenset[int] = frozenset()


def read_labels(path: Path, images: Mapping[str, int]) -> LabelTable:
    """Reads labels.csv.

    Args:
        images: file name and stem of every image → its number.

    Raises:
        DataError: the file is not a UTF-8 CSV, or its header is wrong: no row can be trusted.
    """
    rows: dict[int, Row] = {}
    problems: list[str] = []
    faulty: set[int] = set()
    try:
        # utf-8-sig: spreadsheets put a byte order mark first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = _check_header(path, [cell.strip() for cell in next(reader, [])])
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    where = f"{path} line {reader.line_num}"
                    found = _add(rows, problems, where, reader.line_num, header, cells, images)
                    faulty |= found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a UTF-8 CSV table ({error})") from error
    problems += _relative(path, rows)
    return LabelTable(rows, "split" in header, tuple(problems), frozenset(faulty))


def _relative(path: Path, rows: Mapping[int, Row]) -> list[str]:
    """Boxes in shares of the photo: read as pixels, each would be a corner of one pixel."""
    boxes = [row.box for row in rows.values() if row.box is not None]
    if not boxes or any(max(box) > 1 for box in boxes):
        return []
    return [
        f"{path}: no box has a number above 1, as if they were shares of the photo; xmin, ymin, "
        "xmax and ymax are pixels: multiply them by the photo's width and height"
    ]


def _check_header(path: Path, header: list[str]) -> list[str]:
    allowed = f"allowed are {', '.join(COLUMNS)}"
    unknown = [column for column in header if column not in COLUMNS]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise DataError(f"{path} line 1: its columns are separated by {name}; use commas")
    if unknown:
        raise DataError(f"{path} line 1: unknown column {unknown[0]!r}; {allowed}")
    if len(set(header)) < len(header):
        raise DataError(f"{path} line 1: a column is there twice; {allowed}, each once")
    if "image" not in header:
        raise DataError(f"{path} line 1: no column image; {allowed}")
    missing = [column for column in BOX_COLUMNS if column not in header]
    if 0 < len(missing) < len(BOX_COLUMNS):
        raise DataError(
            f"{path} line 1: no column {missing[0]}; a box has {', '.join(BOX_COLUMNS)}"
        )
    return header


def _add(
    rows: dict[int, Row],
    problems: list[str],
    where: str,
    line: int,
    header: list[str],
    cells: list[str],
    images: Mapping[str, int],
) -> set[int]:
    """Adds one row to ``rows``, or what is wrong with it to ``problems``.

    Returns:
        the image whose row it is, where it is at fault and the image is known.
    """
    if len(cells) != len(header):
        problems.append(f"{where}: {len(cells)} cells, but the header has {len(header)}")
        return set()
    values = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    image = images.get(values["image"])
    if image is None:
        problems.append(f"{where}: there is no image {values['image']!r}")
    elif image in rows:
        problems.append(
            f"{where}: {values['image']!r} has a row already, in line {rows[image].line}"
        )
    else:
        try:
            rows[image] = _row(line, values)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            return {image}
    return set()


def _row(line: int, values: dict[str, str]) -> Row:
    part = values.get("split") or None
    if "split" in values and part not in PARTS:
        raise ValueError(f"split {part or ''!r} is not one of {', '.join(PARTS)}")
    return Row(line, label=values.get("label") or None, box=_box(values), part=part)


def _box(values: dict[str, str]) -> tuple[float, float, float, float] | None:
    cells = {column: values.get(column, "") for column in BOX_COLUMNS}
    empty = [column for column, cell in cells.items() if not cell]
    if len(empty) == len(BOX_COLUMNS):
        return None
    if empty:
        raise ValueError(f"{empty[0]} is empty; a box has four numbers or four empty cells")
    xmin, ymin, xmax, ymax = (_number(column, cell) for column, cell in cells.items())
    problem = box_problem((xmin, ymin, xmax, ymax))
    if problem:
        raise ValueError(problem)
    return xmin, ymin, xmax, ymax


def _number(column: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{column} {cell!r} is not a number") from None
