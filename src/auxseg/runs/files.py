"""Writing files whole or not at all, and the few kinds of them that a run holds."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.errors import DataError, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside ``path``, renamed in the end: never a half-written file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_folder(path: Path) -> None:
    """Raises :class:`UsageError` unless files can be written into a folder, made if need be."""
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise UsageError(f"{nearest}: is a file; --out takes a folder")
    if not os.access(nearest, os.W_OK):
        raise UsageError(f"{nearest}: may not be written to; choose another --out")


def read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def cell(value: Any) -> Any:
    """A cell of a table; an undefined number is an empty one."""
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else ""


@dataclass(frozen=True)
class ImageCounts:
    """What each labelled image of a part adds to the primary metric, epoch by epoch.

    Attributes:
        epochs: int64 (E,), counted from 1.
        images: int64 (n,), ascending: the images' numbers in their data set.
        counts: float32 (E, n, S), see :meth:`auxseg.tasks.base.Task.counts`.
    """

    epochs: np.ndarray
    images: np.ndarray
    counts: np.ndarray

    def until(self, epoch: int) -> ImageCounts:
        """The first epochs alone."""
        keep = self.epochs <= epoch
        return ImageCounts(self.epochs[keep], self.images, self.counts[keep])


def write_counts(path: Path, counts: ImageCounts) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **vars(counts))


def read_counts_file(path: Path) -> ImageCounts | None:
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return ImageCounts(**arrays)
