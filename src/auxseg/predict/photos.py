"""Which photos are meant, and what the files of each are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from auxseg.data.files import IMAGE_ENDINGS, is_image, left_out, list_files
from auxseg.errors import UsageError

#: Names of files about all photos: LabelMe's file of a photo is called NAME.json.
_OF_ALL = ("predictions", "coco")

#: Bytes of a stem. File systems take names of 255; an ending, a number and a temporary name follow.
_LONGEST = 180


def find_images(
    paths: Sequence[str | Path], tell: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Image files as given, those directly inside folders, in order of name, and those of lists.

    Args:
        paths: images, folders, and text files (``.txt``) that name one image per line. Each image
            is found once.
        tell: called with a line about what is left out of a folder.

    Raises:
        UsageError: a path does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for path in _listed(map(Path, paths)):
        if path.is_dir():
            inside = [item for item in list_files(path) if is_image(item)]
            further = left_out(path, strangers=False)
            if not inside:
                why = "; ".join((", ".join(IMAGE_ENDINGS), *further))
                raise UsageError(f"{path}: holds no image ({why})")
            for line in further:
                tell(line)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such image or folder")
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values())


def _listed(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths, with the lines of every list in place of the list."""
    for path in paths:
        if path.suffix.lower() != ".txt" or not path.is_file():
            yield path
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read as a list of images ({error})") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                image = Path(line.strip()).expanduser()
                if not image.is_file():
                    raise UsageError(f"{path} line {number}: {image}: no such image")
                yield image


def _short(stem: str) -> str:
    """A stem of at most so many bytes that file systems take it with ``_overlay.png`` behind."""
    while len(os.fsencode(stem)) > _LONGEST:
        stem = stem[:-1]
    return stem


def output_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for every photo's files: its stem, numbered where two photos share one.

    So is one that would fall together with a file of all photos, such as ``predictions.json``. A
    stem so long that no ending would fit behind it is cut.
    """
    names: dict[Path, str] = {}
    taken = set(_OF_ALL)
    for path in paths:
        stem, number = _short(path.stem), 2
        name = stem
        while name in taken and path not in names:
            name, number = f"{stem}_{number}", number + 1
        names.setdefault(path, name)
        taken.add(name)
    return names
