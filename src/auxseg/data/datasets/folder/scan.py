"""What all masks of a folder hold together: values, palettes, signs that they were resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.decode import read_palette_mask
from auxseg.data.threads import in_threads
from auxseg.errors import DataError

#: From so many values that lie only on edges, each between its neighbours, a mask was interpolated.
_BETWEEN = 3
#: The share of a value's pixels that must lie so,
_MOST = 0.8
#: and the largest share of a mask's pixels that edges can be.
_EDGES = 0.25


@dataclass(frozen=True)
class ScannedMask:
    """One mask.

    Attributes:
        pixels: int64 (256,), how many pixels have each value.
        between: bool (256,): values that lie, nearly everywhere, within two pixels of a lower
            value on the one side and of a higher one on the other, as interpolation makes them
            along edges.
        colours: RGB of the values that occur, by the file's own palette; None without one.
    """

    path: Path
    pixels: np.ndarray
    between: np.ndarray
    colours: dict[int, tuple[int, int, int]] | None

    @property
    def values(self) -> frozenset[int]:
        return frozenset(np.flatnonzero(self.pixels).tolist())


def scan(masks: Sequence[Path]) -> tuple[list[ScannedMask], list[str]]:
    """Reads masks of class indices, with a few threads.

    Returns:
        what was found, and a line of text for each mask that cannot be read.
    """

    def look(path: Path) -> ScannedMask | str:
        try:
            mask, colours = read_palette_mask(path)
        except DataError as error:
            return str(error)
        return ScannedMask(path, _count(mask), _between(mask), colours)

    found = in_threads(look, masks, "reading masks")
    return (
        [one for one in found if isinstance(one, ScannedMask)],
        [one for one in found if isinstance(one, str)],
    )


def black_and_white(scanned: Sequence[ScannedMask]) -> bool:
    """Whether the masks hold 0 and 255 only, for background and foreground: most of them do.

    One that holds something else is at fault, not the others.
    """
    marked = [mask for mask in scanned if mask.values != {0}]
    binary = [mask for mask in marked if mask.values <= {0, 255}]
    return 2 * len(binary) > len(marked)


def gaps(scanned: Sequence[ScannedMask], ignore_index: int | None) -> str:
    """What to say of classes that no mask holds; nothing where there are none."""
    pixels = np.sum([mask.pixels for mask in scanned], axis=0) if scanned else np.zeros(256, int)
    pixels[255] = 0
    if ignore_index is not None:
        pixels[ignore_index] = 0
    present = np.flatnonzero(pixels)
    lacking = sorted(set(range(int(present[-1]))) - set(present.tolist())) if present.size else []
    if not lacking:
        return ""
    highest = int(present[-1])
    holders = [mask.path.name for mask in scanned if mask.pixels[highest]]
    where = f"only in {holders[0]}" if len(holders) == 1 else f"in {len(holders)} masks"
    return (
        f"; no mask holds {_list(lacking)}, and {highest} is {where} ({pixels[highest]} pixels): "
        "if it is a slip, mend it or name the classes in classes.txt"
    )


def has_palettes(masks: Sequence[Path]) -> bool:
    """Whether any mask's file has a palette; reads their heads alone."""
    return any(in_threads(_has_palette, masks, "looking for palettes"))


def _has_palette(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.mode == "P"
    except (OSError, ValueError, SyntaxError):
        return False  # reading it whole tells what is wrong


def contradictions(scanned: Sequence[ScannedMask]) -> list[str]:
    """Two palettes that give one value two colours: then the value does not mean one class."""
    first: dict[int, ScannedMask] = {}
    for mask in scanned:
        for value, colour in (mask.colours or {}).items():
            other = first.setdefault(value, mask)
            assert other.colours is not None
            if other.colours[value] != colour:
                return [
                    f"{mask.path}: its palette shows index {value} as {_rgb(colour)}, that of "
                    f"{other.path.name} as {_rgb(other.colours[value])}; save all masks with one "
                    "palette, or name the colours in palette.txt (lines R G B NAME), which then "
                    "decide"
                ]
    return []


def remarks(scanned: Sequence[ScannedMask]) -> tuple[str, ...]:
    """A palette that shows index 0, the background, in white and something else in black."""
    for mask in scanned:
        colours = mask.colours or {}
        black = [value for value, colour in colours.items() if colour == (0, 0, 0)]
        if colours.get(0) == (255, 255, 255) and black:
            return (
                f"the masks' palettes show index 0 in white and {black[0]} in black (first: "
                f"{mask.path.name}): class 0 is what looks white; to read them by colour, name "
                "the colours in palette.txt (lines R G B NAME, the background first)",
            )
    return ()


def interpolated(scanned: Sequence[ScannedMask]) -> list[str]:
    """A mask that was resized by interpolation, as a photo is, and not by the nearest pixel."""
    for mask in scanned:
        values = np.flatnonzero(mask.between & (mask.pixels > 0)).tolist()
        main = sorted(mask.values - set(values))
        along = mask.pixels[values].sum() / mask.pixels.sum()
        if len(values) >= _BETWEEN and len(main) >= 2 and along <= _EDGES:
            return [
                f"{mask.path}: values such as {', '.join(map(str, values[:3]))} lie only along the "
                f"edges between {_list(main)}: it was resized by interpolation, which makes "
                "classes that are none; resize masks by the nearest pixel, or name the classes "
                "in classes.txt if these are some"
            ]
    return []


def _count(mask: np.ndarray) -> np.ndarray:
    return np.bincount(mask.ravel(), minlength=256)


def _between(mask: np.ndarray) -> np.ndarray:
    """See :attr:`ScannedMask.between`."""
    lies = np.zeros(mask.shape, dtype=bool)
    for axis in (0, 1):
        near = [np.roll(mask, shift, axis) for shift in (1, 2, -1, -2)]
        low = [np.minimum(*side) < mask for side in (near[:2], near[2:])]
        high = [np.maximum(*side) > mask for side in (near[:2], near[2:])]
        lies |= (low[0] & high[1]) | (high[0] & low[1])
    pixels = _count(mask)
    # A class that lies between two others somewhere also has an inside, where it does not.
    share = _count(mask[lies]) / np.maximum(pixels, 1)
    found = share >= _MOST
    found[mask.min()] = found[mask.max()] = False
    return np.asarray(found)


def _rgb(colour: tuple[int, int, int]) -> str:
    return " ".join(map(str, colour))


def _list(values: Sequence[int]) -> str:
    shown = [str(value) for value in values[:4]] + (["…"] if len(values) > 4 else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
