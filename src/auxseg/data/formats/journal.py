"""What a conversion decided, repaired, left out and could not read, file by file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["decided", "repaired", "left out", "unreadable"]
KINDS: tuple[Kind, ...] = ("decided", "repaired", "left out", "unreadable")
#: The table of all lines, in the folder that was written.
JOURNAL_FILE = "conversion.csv"
#: So many lines of one kind about one matter are printed; the table has all of them.
PRINTED = 5


@dataclass(frozen=True)
class Line:
    """One thing that happened.

    Attributes:
        matter: what it is about, the same words for every file that it happened to.
        file: the file's path in the source; empty where it concerns the whole.
        detail: what is particular to this file.
    """

    kind: Kind
    matter: str
    file: str = ""
    detail: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{self.kind}: {where}{self.matter}" + (f" ({self.detail})" if self.detail else "")


class Journal:
    """Collects lines. One photo has a journal of its own, so that threads need no lock."""

    def __init__(self, file: str = "") -> None:
        self.file = file
        self.lines: list[Line] = []

    def decided(self, matter: str, detail: str = "") -> None:
        """A choice between several readings."""
        self._add("decided", matter, detail)

    def repaired(self, matter: str, detail: str = "") -> None:
        """Something that was wrong and whose meaning is clear."""
        self._add("repaired", matter, detail)

    def left_out(self, matter: str, detail: str = "") -> None:
        """Something that the folder layout cannot hold, or that says nothing."""
        self._add("left out", matter, detail)

    def unreadable(self, matter: str, detail: str = "") -> None:
        """Something that is wrong and whose meaning is not clear."""
        self._add("unreadable", matter, detail)

    def about(self, file: str) -> Journal:
        """A journal of one file; :meth:`take` brings its lines back."""
        return Journal(file)

    def take(self, other: Journal) -> None:
        """Adds another journal's lines."""
        self.lines += other.lines

    def _add(self, kind: Kind, matter: str, detail: str) -> None:
        line = Line(kind, matter, self.file, detail)
        if line not in self.lines[-20:]:  # what happens to each shape of a photo is told once
            self.lines.append(line)

    def __iter__(self) -> Iterator[Line]:
        """By kind, in the order of :data:`KINDS`; within a kind as they came."""
        return iter(sorted(self.lines, key=lambda line: KINDS.index(line.kind)))

    def summary(self) -> list[tuple[Kind, str, int]]:
        """Kind, matter and number of lines, for the table at the end."""
        counts = Counter((line.kind, line.matter) for line in self)
        return [(kind, matter, count) for (kind, matter), count in counts.items()]

    def printed(self) -> list[str]:
        """All lines, but for those of one matter beyond the first :data:`PRINTED`."""
        shown: list[str] = []
        seen: Counter[tuple[str, str]] = Counter()
        totals = Counter((line.kind, line.matter) for line in self.lines)
        for line in self:
            key = (line.kind, line.matter)
            seen[key] += 1
            if seen[key] <= PRINTED:
                shown.append(str(line))
            elif seen[key] == PRINTED + 1:
                further = totals[key] - PRINTED
                shown.append(f"{line.kind}: {further} more files like these: {JOURNAL_FILE}")
        return shown

    def write(self, path: Path) -> None:
        """Writes all lines as a table."""
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["what", "file", "matter", "detail"])
            table.writerows([line.kind, line.file, line.matter, line.detail] for line in self)
