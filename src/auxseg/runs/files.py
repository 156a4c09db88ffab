"""Writing files whole or not at all, and the few kinds of them that a run holds."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.building import appearing
from auxseg.errors import DataError, UsageError

#: How tables are encoded. File names may hold bytes that are no text: they come back as they were.
_ENCODING = ("utf-8", "surrogateescape")


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yields a temporary name beside ``path``, renamed in the end: never a half-written file.

    What was written has reached the disk before the file gets its name, and the name before this
    returns: also a machine that loses its power leaves the old file or the new one.

    Args:
        sync: whether to wait for the disk. Not where thousands of files are written that can be
            made again: a machine that loses its power then may leave an empty one.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if sync:
                _sync(temporary)
            os.replace(temporary, path)
            if sync:
                _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def out_folder(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside ``folder``, renamed in the end: never one that lacks files.

    Raises:
        UsageError: it holds something already.
        DataError: it cannot be written.
    """
    folder = folder.resolve()
    check_name(folder)
    if folder in (Path.cwd(), Path(folder.anchor)):
        raise UsageError(f"--out: {folder} is the folder that you are in; name another one")
    check_folder(folder.parent)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out: {folder} is there already; name one that is empty or not there")
    with appearing(folder) as building:
        yield building


def _sync(path: Path) -> None:
    """Waits until a file, or a folder's list of names, has reached the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and keeps their lists itself
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raises :class:`DataError` in one line where the block cannot write."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_name(path: Path) -> None:
    """Raises :class:`UsageError` for a name that is no text, which not all libraries take."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"--out: {path.name!a} is not UTF-8; choose another name") from None


def check_folder(path: Path) -> None:
    """Raises :class:`UsageError` unless files can be written into a folder, made if need be."""
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise UsageError(f"{nearest}: is a file; --out takes a folder")
    if not os.access(nearest, os.W_OK):
        raise UsageError(f"{nearest}: may not be written to; choose another --out")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; empty where there is no such file.

    A last line without its end is left out: a kill tore it, or it is being written.
    """
    if not path.is_file():
        return []
    text = path.read_bytes().decode(*_ENCODING)
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(whole, newline="")))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a table with a column for everything that any row has."""
    columns = _columns(rows)
    text = _lines([dict(zip(columns, columns, strict=True)), *rows], columns)
    with replacing(path) as temporary:
        temporary.write_bytes(text)


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows to a table; the first ones make its header.

    What is there is not read or written again, however long it is. Only where a row has a column
    that the table lacks, or a kill tore the last line, the table is written anew.
    """
    if not rows:
        return
    header = _header(path)
    if header is None or not set(_columns(rows)) <= set(header):
        write_rows(path, [*read_rows(path), *rows])
        return
    with _writing(path):
        with path.open("ab") as stream:
            stream.write(_lines(rows, header))
        _sync(path)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    stream = io.StringIO(newline="")
    csv.DictWriter(stream, columns, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode(*_ENCODING)


def _header(path: Path) -> list[str] | None:
    """The columns of a table to which lines can be added; None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        first = stream.readline()
        if not first.endswith(b"\n"):
            return None
        stream.seek(-1, os.SEEK_END)
        whole = stream.read() == b"\n"
    return next(csv.reader([first.decode(*_ENCODING)])) if whole else None


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
    """Writes the file whole: a kill while a ZIP archive is added to loses all that is in it.

    Not compressed: it is written after every epoch, and compressing takes a hundred times as long.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **vars(counts))


def read_counts_file(path: Path) -> ImageCounts | None:
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return ImageCounts(**arrays)
