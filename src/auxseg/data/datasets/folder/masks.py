"""What the pixels of a user's masks mean: class indices, 0 and 255, or the colours of a palette."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auxseg.data.decode import read_colour_mask, read_mask
from auxseg.errors import DataError, UsageError
from auxseg.types import IGNORE_INDEX

#: Class indices run from 0; IGNORE_INDEX and what lies above are not class indices.
MAX_CLASSES = IGNORE_INDEX


@dataclass(frozen=True)
class MaskFormat:
    """How to read the masks of one folder.

    Attributes:
        classes: names, index order.
        ignore_index: the file's class index that means "not labelled"; None if none does.
        palette: RGB colour → class index; None for masks that hold the indices themselves.
        foreground_255: the masks hold 0 and 255 only, for background and foreground.
    """

    classes: tuple[str, ...]
    ignore_index: int | None = None
    palette: dict[tuple[int, int, int], int] | None = None
    foreground_255: bool = False

    def read(self, path: Path) -> np.ndarray:
        """Decodes a mask.

        Returns:
            uint8 (H, W), class indices and :data:`~auxseg.types.IGNORE_INDEX`.

        Raises:
            DataError: undecodable, or a value or colour that no class has.
        """
        if self.palette is not None:
            indices = _from_colours(path, self.palette)
        else:
            indices = read_mask(path)
            if self.foreground_255:
                _check_binary(path, indices)
                return np.asarray(indices == 255).astype(np.uint8)
        present = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
        self._check(path, present)
        if self.ignore_index is not None:
            indices[indices == self.ignore_index] = IGNORE_INDEX
        return indices

    def _check(self, path: Path, present: np.ndarray) -> None:
        for value in present.tolist():
            if value >= len(self.classes) and value != self.ignore_index:
                raise DataError(
                    f"{path}: mask value {value} is none of the {len(self.classes)} classes "
                    f"(0 to {len(self.classes) - 1}: {_some(self.classes)}); "
                    f"if it marks unlabelled pixels, pass --ignore-index {value}"
                )


def check_ignore_index(ignore_index: int | None) -> None:
    """Raises UsageError unless ``ignore_index`` is None or a value that a mask can hold."""
    if ignore_index is not None and not 0 <= ignore_index <= 255:
        raise UsageError(f"ignore_index: {ignore_index} is not in the range 0 to 255")


def read_classes(path: Path) -> tuple[str, ...]:
    """Reads classes.txt: one name a line, the first is class 0.

    Raises:
        DataError: unreadable, empty, with a blank or a repeated name, or too many.
    """
    names = [line.strip() for line in _lines(path)]
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path} line {number}: empty; each line names one class")
        if name in names[: number - 1]:
            raise DataError(f"{path} line {number}: class {name!r} is there twice")
    _check_count(path, len(names))
    return tuple(names)


def read_palette(path: Path) -> tuple[tuple[str, ...], dict[tuple[int, int, int], int]]:
    """Reads a palette file: lines ``R G B name``, the first is class 0; # begins a comment.

    Returns:
        The classes' names, and RGB colour → class index.

    Raises:
        DataError: unreadable, empty, or with a line that is not of that form.
    """
    names: list[str] = []
    colours: dict[tuple[int, int, int], int] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            red, green, blue, name = line.split(maxsplit=3)
            colour = (int(red), int(green), int(blue))
        except ValueError:
            raise DataError(
                f"{path} line {number}: {line!r} is not of the form R G B NAME"
            ) from None
        if not all(0 <= channel <= 255 for channel in colour):
            raise DataError(f"{path} line {number}: a colour's channels run from 0 to 255")
        if colour in colours or name.strip() in names:
            raise DataError(f"{path} line {number}: the colour or the name is there twice")
        colours[colour] = len(names)
        names.append(name.strip())
    _check_count(path, len(names))
    return tuple(names), colours


def _from_colours(path: Path, palette: dict[tuple[int, int, int], int]) -> np.ndarray:
    colours = colour_codes(read_colour_mask(path))
    present, inverse = np.unique(colours, return_inverse=True)
    by_code = {
        int(colour_codes(np.array(colour, dtype=np.uint8))): index
        for colour, index in palette.items()
    }
    for code in present.tolist():
        if code not in by_code:
            colour = f"{code >> 16} {code >> 8 & 255} {code & 255}"
            allowed = "; ".join(" ".join(map(str, known)) for known in palette)
            raise DataError(f"{path}: colour {colour} is not in the palette ({allowed})")
    indices = np.array([by_code[code] for code in present.tolist()], dtype=np.uint8)
    return indices[inverse].reshape(colours.shape)


def colour_codes(rgb: np.ndarray) -> np.ndarray:
    """(…, 3) uint8 → (…) one integer a colour."""
    return rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)


def _check_binary(path: Path, indices: np.ndarray) -> None:
    others = indices[(indices != 0) & (indices != 255)]
    if others.size:
        pixels = f"{others.size} pixel{'s' if others.size > 1 else ''}"
        raise DataError(
            f"{path}: mask value {others[0]} ({pixels} neither 0 nor 255); most masks hold 0 and "
            "255 only, for background and foreground: mend this one"
        )


def _some(names: tuple[str, ...], most: int = 10) -> str:
    return ", ".join(names if len(names) <= most else (*names[:most], "…"))


def _check_count(path: Path, count: int) -> None:
    if not 1 <= count <= MAX_CLASSES:
        raise DataError(f"{path}: {count} classes; 1 to {MAX_CLASSES} are allowed")


def _lines(path: Path) -> list[str]:
    """The file's lines without the empty ones at its end."""
    try:
        return path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
