"""What has been predicted into a folder, photo by photo: so a run that is stopped goes on there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from auxseg.errors import DataError, UsageError

#: The journals of a folder, one for each shard: a line of JSON an event. Hidden: nothing to read.
_PATTERN = ".predicted*.jsonl"
#: What is written of all photos together, beside ``predictions.json``.
_TABLES = {"areas.csv", "coco.json"}
#: What a line about a photo that is done says.
_OF_A_PHOTO = {"network", "photo", "state", "pictures", "entry"}


class Journal:
    """A folder's journals, of which this process writes one.

    A line says either which names are about to be written, or that a photo is done: its path, its
    bytes and date, by which network, and its entry in ``predictions.json``. What a kill left half
    written of the last line does not count.

    Args:
        out: the folder.
        network: what tells the network and its settings from others; what another one predicted
            is predicted again.
        shard: which part of the photos this process takes, and of how many.
    """

    def __init__(self, out: Path, network: str, shard: tuple[int, int] = (0, 1)) -> None:
        self.out, self.network = out, network
        number, count = shard
        self.path = out / (".predicted.jsonl" if count == 1 else f".predicted-{number}.jsonl")
        self._names: set[str] = set()
        self._done: dict[str, tuple[Path, int]] = {}  # photo → journal and place of its line
        self._endings: set[str] = set()  # of the files that are written of a photo
        self._owner: dict[str, str] = {}  # name → the photo whose files have it
        for journal in sorted(out.glob(_PATTERN)):
            self._read(journal)
        self._names |= _names_of_before(out / "predictions.json")

    def _read(self, journal: Path) -> None:
        for place, line in _lines(journal):
            self._names |= set(map(str, line.get("names") or ()))
            if not line.keys() >= _OF_A_PHOTO:
                continue
            photo = line["photo"]
            self._owner[line["entry"]["files"]] = photo
            if line["network"] == self.network and _state(photo) == line["state"]:
                self._done[photo] = (journal, place)
                self._endings |= set(line["pictures"])

    def done(self, photo: Path, name: str) -> bool:
        """Whether a photo was predicted by this network, and its files are there, not empty."""
        key = str(photo.absolute())
        if key not in self._done or self._owner.get(name) != key:
            return False
        files = (self.out / f"{name}{ending}" for ending in self._endings)
        return all(path.is_file() and path.stat().st_size > 0 for path in files)

    def check_free(self, names: Iterable[str], endings: Iterable[str]) -> None:
        """Raises :class:`UsageError` where a file would be overwritten that is not of auxseg."""
        there = {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()
        if not self._names:
            for table in _TABLES & there:
                raise UsageError(
                    f"{self.out / table}: is there already and was not written by auxseg predict; "
                    "choose another --out"
                )
        taken = [name for name in names if name not in self._names]
        for name in taken:
            for ending in endings:
                if f"{name}{ending}" in there:
                    raise UsageError(
                        f"{self.out / name}{ending}: is there already and was not written by "
                        "auxseg predict; choose another --out"
                    )

    def announce(self, names: Sequence[str]) -> None:
        """Notes that files of these names will be written next."""
        new = [name for name in names if name not in self._names]
        if new:
            self._names |= set(new)
            self._append({"names": new}, keep=True)

    def note(self, photo: Path, entry: dict[str, Any], endings: Iterable[str]) -> None:
        """Notes that a photo is done.

        Args:
            endings: of its files' names, such as ``_mask.png``.
        """
        key, endings = str(photo.absolute()), sorted(endings)
        self._endings |= set(endings)
        line: dict[str, Any] = {"network": self.network, "photo": key, "state": _state(key)}
        line |= {"pictures": endings, "entry": entry}
        self._done[key] = (self.path, self._append(line))
        self._owner[entry["files"]] = key

    def entries(self, photos: Iterable[Path]) -> Iterator[dict[str, Any]]:
        """The entries of those of the photos that are done, each read when it is asked for."""
        for photo in photos:
            found = self._done.get(str(photo.absolute()))
            if found is not None:
                yield self._entry(*found)

    def _entry(self, journal: Path, place: int) -> dict[str, Any]:
        with journal.open("rb") as stream:
            stream.seek(place)
            entry: dict[str, Any] = json.loads(stream.readline())["entry"]
        return entry

    def _append(self, line: dict[str, Any], *, keep: bool = False) -> int:
        """Adds a line; returns its place. ``keep``: only when it has reached the disk."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as stream:
                place = stream.tell()
                # Begins a line of its own, after one that a kill tore.
                torn = place > 0 and not _ends_line(self.path)
                stream.write(b"\n" * torn + json.dumps(line).encode() + b"\n")
                stream.flush()
                if keep:
                    os.fsync(stream.fileno())
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.path}: cannot be written ({reason})") from error
        return place + torn


def _lines(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The place and content of every whole line; others do not count."""
    with journal.open("rb") as stream:
        place = 0
        for text in stream:
            if text.endswith(b"\n") and text.strip():
                with suppress(ValueError):  # torn by a kill, and others were added since
                    content = json.loads(text)
                    if isinstance(content, dict):
                        yield place, content
            place += len(text)


def _ends_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _state(photo: str) -> list[int] | None:
    """Bytes and date of a file; None where it is gone."""
    try:
        status = os.stat(photo)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _names_of_before(predictions: Path) -> set[str]:
    """The names in a ``predictions.json`` of before there were journals."""
    try:
        return {entry["files"] for entry in json.loads(predictions.read_text(encoding="utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
