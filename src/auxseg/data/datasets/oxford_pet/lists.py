"""The tables of Oxford-IIIT Pet: list.txt (every image's breed and species), trainval and test."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from auxseg.errors import DataError

NUM_BREEDS = 37


@dataclass(frozen=True)
class Entry:
    """One image of list.txt.

    Attributes:
        name: the file name without ending.
        breed_id: 1 to 37, in the alphabetical order of the breeds.
        species: 0 cat, 1 dog.
    """

    name: str
    breed_id: int
    species: int

    @property
    def breed(self) -> str:
        """The breed as the file name has it, such as ``Russian_Blue``."""
        return self.name.rpartition("_")[0] or self.name


def read_list(path: Path) -> tuple[list[Entry], list[str]]:
    """Reads list.txt.

    Returns:
        The entries of the sound lines, and one line of text for each broken one.

    Raises:
        DataError: the file cannot be read.
    """
    entries: dict[str, Entry] = {}
    problems = []
    for number, cells in _rows(path):
        where = f"{path} line {number}"
        entry = _entry(cells)
        if entry is None:
            problems.append(
                f"{where}: {' '.join(cells)!r} is not NAME CLASS-ID SPECIES BREED-ID "
                f"(class id 1 to {NUM_BREEDS}, species 1 cat or 2 dog)"
            )
        elif entry.name in entries:
            problems.append(f"{where}: {entry.name} is listed a second time")
        else:
            entries[entry.name] = entry
    return list(entries.values()), problems


def read_part(path: Path, known: Collection[str]) -> tuple[list[str], list[str]]:
    """Reads the names of trainval.txt or test.txt.

    Returns:
        The names, and one line of text for each that list.txt does not hold.

    Raises:
        DataError: the file cannot be read.
    """
    names: dict[str, None] = {}
    problems = []
    for number, cells in _rows(path):
        if cells[0] in known:
            names[cells[0]] = None
        else:
            problems.append(f"{path} line {number}: {cells[0]!r} is not in list.txt")
    return list(names), problems


def _entry(cells: list[str]) -> Entry | None:
    try:
        name, breed_id, species, _ = cells[0], *map(int, cells[1:])
    except ValueError:
        return None
    if not 1 <= breed_id <= NUM_BREEDS or species not in (1, 2):
        return None
    return Entry(name, breed_id, species - 1)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and cells of each line that is neither empty nor a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.split()
