"""The photos of a source, and how a label file's words for them find them."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from auxseg.data.files import is_image
from auxseg.errors import DataError

#: Words in folder and file names → the part that they stand for.
_PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def files_below(source: Path) -> Iterator[Path]:
    """All files of a folder and its sub-folders but hidden ones, in byte order."""
    for folder, folders, names in os.walk(source, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(names, key=os.fsencode):
            if not name.startswith("."):
                yield Path(folder, name)


class Photos:
    """The image files of a source, found by whatever a label file calls them.

    Args:
        skip: folders and files that hold no photos, such as those of the masks.
    """

    def __init__(self, source: Path, skip: frozenset[Path] = frozenset()) -> None:
        self.source = source
        self.all = [
            path
            for path in files_below(source)
            if is_image(path) and path not in skip and not skip.intersection(path.parents)
        ]
        self._named: defaultdict[str, list[Path]] = defaultdict(list)
        self._stems: defaultdict[str, list[Path]] = defaultdict(list)
        for path in self.all:
            self._named[path.name.lower()].append(path)
            self._stems[path.stem.lower()].append(path)

    def named(self, said: str, near: Path | None = None) -> Path:
        """The photo that a label file names.

        A name with folders is looked for beside the label file, then from the source on, then by
        as many of its last parts as there are; only files of the source are found.

        Args:
            said: the name, with the folders of any operating system.
            near: the label file: of several photos of that name, those of the same part come first,
                then those that share most folders with it.

        Raises:
            DataError: no such photo, or several.
        """
        parts = _parts(said)
        if not parts:
            raise DataError("the label file names no photo")
        found = self._named.get(parts[-1].lower()) or self._stems.get(
            PurePosixPath(parts[-1]).stem.lower(), []
        )
        return self._one(found, parts, near, said)

    def of_stem(self, stem: str, near: Path | None = None) -> Path:
        """The photo of that name before its ending; see :meth:`named`."""
        return self._one(self._stems.get(stem.lower(), []), (stem,), near, stem)

    def _one(self, found: list[Path], parts: tuple[str, ...], near: Path | None, said: str) -> Path:
        if not found:
            raise DataError(f"there is no photo {said!r}")
        best = [max(self._fit(path, parts, near) for path in found)]
        chosen = [path for path in found if [self._fit(path, parts, near)] == best]
        if len(chosen) > 1:
            names = " and ".join(self.relative(path) for path in chosen[:2])
            raise DataError(f"photo {said!r} may be {names}")
        return chosen[0]

    def _fit(self, path: Path, parts: tuple[str, ...], near: Path | None) -> tuple[int, ...]:
        """How well a photo fits what a label file says of it: higher is better."""
        same = 0
        for ours, theirs in zip(reversed(path.parts), reversed(parts), strict=False):
            if ours != theirs:
                break
            same += 1
        if near is None:
            return (same, 0, 0)
        part = self.part(path.parent)
        alike = len(Path(os.path.commonpath([near, path])).parts)
        return (same, int(part is not None and part == self.part(near)), alike)

    def part(self, path: Path) -> str | None:
        """See :func:`part_of`."""
        return part_of(path.relative_to(self.source))

    def relative(self, path: Path) -> str:
        """The path as a user knows it: from the source on."""
        return path.relative_to(self.source).as_posix()


def _parts(said: str) -> tuple[str, ...]:
    path = PureWindowsPath(said) if "\\" in said else PurePosixPath(said)
    return tuple(part for part in path.parts if part not in (path.anchor, ".", ".."))


def part_of(path: PurePath) -> str | None:
    """Which part a folder or label file is of, by the words of its name and of the folders around.

    Args:
        path: relative to the source, so that the folders around that one say nothing.
    """
    for name in (path.stem, *(parent.name for parent in path.parents)):
        words = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
        found = {part for word in words if (part := _PARTS.get(word))}
        if len(found) == 1:
            return found.pop()
    return None


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: unreadable; names the file and the line.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: is no JSON ({error.msg}, {where})") from error
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply for a label file") from None
