"""The photos of a source, and how a label file's words for them find them."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
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
#: What may stand behind such a word without a sign between: CamVid's ``trainannot``.
_BEHIND = ("annot", "annotations", "mask", "masks", "label", "labels", "images", "img", "imgs")


def files_below(source: Path) -> Iterator[Path]:
    """All files of a folder and its sub-folders but hidden ones, in byte order."""
    seen = set()
    for folder, folders, names in os.walk(source, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(names, key=os.fsencode):
            if not name.startswith("."):
                yield Path(folder, name)


class Photos:
    """The image files of a source, found by whatever a label file calls them.

    Args:
        skip: pictures that are no photos, such as masks.
    """

    def __init__(self, source: Path, skip: Iterable[Path] = ()) -> None:
        self.source = source
        left_out = frozenset(skip)
        self.all = [path for path in files_below(source) if is_image(path) and path not in left_out]
        self._there = {path.parts: path for path in self.all}
        self._named: defaultdict[str, list[Path]] = defaultdict(list)
        self._stems: defaultdict[str, list[Path]] = defaultdict(list)
        for path in self.all:
            self._named[path.name.lower()].append(path)
            self._stems[path.stem.lower()].append(path)

    def named(self, said: str, near: Path) -> Path:
        """The photo that a label file names.

        It is looked for beside the label file and from the source on; then by its name alone, of
        several the one that shares most of the folders named. Only files of the source are found,
        and none of another part than the label file and its words say.

        Args:
            said: the name, with the folders of any operating system.
            near: the label file.

        Raises:
            DataError: no such photo, or several.
        """
        parts = _parts(said)
        if not parts:
            raise DataError("the label file names no photo")
        for folder in (near.parent, self.source):
            exact = self._there.get((*folder.parts, *parts))
            if exact is not None:
                return exact
        found = self._named.get(parts[-1].lower()) or self._stems.get(
            PurePosixPath(parts[-1]).stem.lower(), []
        )
        part = part_of(PurePosixPath(*parts[:-1])) if len(parts) > 1 else None
        part = part or self.part(near)
        found = [path for path in found if agree(part, self.part(path.parent))]
        if not found:
            raise DataError(f"there is no photo {said!r}")
        fits = {path: self._fit(path, parts, near) for path in found}
        best = max(fits.values())
        chosen = [path for path, fit in fits.items() if fit == best]
        if len(chosen) > 1:
            names = " and ".join(self.relative(path) for path in chosen[:2])
            raise DataError(f"photo {said!r} may be {names}")
        return chosen[0]

    def of_stem(self, stem: str) -> list[Path]:
        """The photos of that name before its ending."""
        return self._stems.get(stem.lower(), [])

    def _fit(self, path: Path, parts: tuple[str, ...], near: Path) -> tuple[int, int]:
        """How well a photo fits what a label file says of it: higher is better."""
        same = 0
        for ours, theirs in zip(reversed(path.parts), reversed(parts), strict=False):
            if ours != theirs:
                break
            same += 1
        return (same, len(Path(os.path.commonpath([near, path])).parts))

    def part(self, path: Path) -> str | None:
        """See :func:`part_of`."""
        return part_of(path.relative_to(self.source))

    def relative(self, path: Path) -> str:
        """The path as a user knows it: from the source on."""
        return path.relative_to(self.source).as_posix()


def _parts(said: str) -> tuple[str, ...]:
    path = PureWindowsPath(said) if "\\" in said else PurePosixPath(said)
    return tuple(part for part in path.parts if part not in (path.anchor, ".", "..", "\0"))


def agree(one: str | None, other: str | None) -> bool:
    """Whether two parts are the same, as far as they are known."""
    return one is None or other is None or one == other


def part_of(path: PurePath) -> str | None:
    """Which part a folder or label file is of, by the words of its name and of the folders around.

    Args:
        path: relative to the source, so that the folders around that one say nothing.
    """
    for name in (path.stem, *(parent.name for parent in path.parents)):
        words = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
        found = {part for word in words if (part := _part_of_word(word))}
        if len(found) == 1:
            return found.pop()
    return None


def _part_of_word(word: str) -> str | None:
    if word in _PARTS:
        return _PARTS[word]
    for behind in _BEHIND:
        if word.endswith(behind) and word.removesuffix(behind) in _PARTS:
            return _PARTS[word.removesuffix(behind)]
    return None


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: unreadable; names the file and the line.
    """
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: is not valid JSON ({error.msg}, {where})") from error
    except (OSError, ValueError) as error:  # text that is no UTF-8, numbers of thousands of digits
        raise DataError(f"{path}: cannot be read ({error})") from error
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply for a label file") from None
