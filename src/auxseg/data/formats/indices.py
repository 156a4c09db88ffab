"""Masks whose pixels are class indices: grey values, or a palette's indices."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.datasets.folder.masks import read_classes
from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Options
from auxseg.data.formats.contents import Survey, grey_values
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import PictureFormat, ReadMask, names_for
from auxseg.data.threads import in_threads
from auxseg.errors import DataError
from auxseg.types import IGNORE_INDEX


class Indices(PictureFormat):
    """Grey or palette masks, 8 or 16 bits, also saved as RGB; values are classes.

    Values are the classes; 255 beside others is not labelled. Equal steps of grey (0, 85, 170, 255)
    become classes in their order, unless a list names as many classes.
    """

    NAME: ClassVar[str] = "indices"
    TITLE: ClassVar[str] = "masks of class indices"

    KIND = "indices"
    EVIDENCE = "holds class indices"

    @classmethod
    def reader(
        cls, source: Path, found: Survey, options: Options, journal: Journal
    ) -> tuple[tuple[str, ...], ReadMask]:
        values = [
            one
            for one in in_threads(_values, found.pairs.files, "reading masks")
            if one is not None
        ]
        present = sorted(set().union(*values))
        if not present:
            raise DataError(f"{source}: no mask of class indices can be read")
        listed = source / "classes.txt"
        named = len(options.classes or (read_classes(listed) if listed.exists() else ()))
        numbers = _numbers(present, named, options, journal)
        count = max((one for one in numbers.values() if one != IGNORE_INDEX), default=0) + 1
        classes = names_for(count, source, options, journal)
        table = np.full(max(present) + 1, -1, dtype=np.int64)
        for value, number in numbers.items():
            table[value] = number
        return classes, partial(_read, table)


def _values(path: Path) -> set[int] | None:
    """The values of a mask; None where it is not one of indices."""
    try:
        values = _indices(path)
    except DataError:
        return None  # reading it for its photo tells what is wrong
    return set(np.unique(values).tolist())


def _indices(path: Path) -> np.ndarray:
    values = grey_values(read_picture(path))
    if values is None:
        raise DataError(f"{path}: a mask in colours among masks of class indices")
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path}: mask value {values.max()}; 0 to 65535 are read")
    return np.asarray(values, dtype=np.int64)


def _levels(values: list[int]) -> bool:
    """Whether values are equal steps of grey, such as 0, 85, 170, 255, and no class indices."""
    steps = np.diff(values)
    return len(values) > 2 and steps.min() > 1 and int(steps.max() - steps.min()) <= 1


def _numbers(present: list[int], named: int, options: Options, journal: Journal) -> dict[int, int]:
    """Value → class index.

    Args:
        named: how many classes a list names: then values are its lines.
    """
    ignored = options.ignore_index
    if ignored is None and present[-1] == 255 and len(present) > 2 and not _levels(present):
        ignored = 255
        journal.decided("value 255 beside class indices: pixels that are not labelled")
    values = [value for value in present if value != ignored]
    gaps = values != list(range(len(values)))
    if gaps and not max(values, default=0) < named and _levels(values):
        shown = ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")
        journal.decided(f"values {shown} become classes 0 to {len(values) - 1}, in their order")
        numbers = {value: number for number, value in enumerate(values)}
    else:
        if gaps:
            journal.decided("some class indices are in no mask", f"there are {values[:8]}")
        numbers = {value: value for value in values}
    if max(numbers.values(), default=0) >= IGNORE_INDEX:
        raise DataError(f"mask value {max(values)}; classes 0 to {IGNORE_INDEX - 1} are allowed")
    if ignored is not None:
        numbers[ignored] = IGNORE_INDEX
    return numbers


def _read(table: np.ndarray, path: Path, journal: Journal) -> np.ndarray:
    values = _indices(path)
    if read_picture(path).mode not in ("P", "L", "1"):
        journal.repaired("masks of indices saved with more channels or bits than they need")
    if values.max() >= table.size or (table[values] < 0).any():
        raise DataError(f"mask value {values.max()} is none of the classes")
    return np.asarray(table[values], dtype=np.uint8)
