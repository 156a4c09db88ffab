"""Masks whose colours stand for classes, with a list of the colours or without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.datasets.folder.masks import colour_codes, read_palette
from auxseg.data.decode import read_colour_mask
from auxseg.data.formats.base import BACKGROUND, Options
from auxseg.data.formats.classes import limited
from auxseg.data.formats.contents import Survey
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import PictureFormat, ReadMask, names_for
from auxseg.data.threads import in_threads
from auxseg.errors import DataError, UsageError
from auxseg.types import IGNORE_INDEX

#: So many colours are classes; more are made by JPEG or by interpolation.
_MOST = 64
#: Then a class has at least this share of all pixels,
_SHARE = 0.002
#: and its colour is so far from those of larger ones (of 255, in any channel).
_APART = 48
#: A colour so near to a class's is that one, changed by JPEG; others are not labelled.
_NEAR = 32

Colour = tuple[int, int, int]


class Colours(PictureFormat):
    """RGB masks.

    The colours come from ``--palette FILE`` or the source's palette.txt (lines ``R G B NAME``).
    Without either they are found: up to 64 colours are classes, black the background; where there
    are more, the frequent ones are, and what lies between them, as along interpolated edges, is
    marked as not labelled.
    """

    NAME: ClassVar[str] = "colours"
    TITLE: ClassVar[str] = "masks in colours"

    KIND = "colours"
    EVIDENCE = "is in colours"

    @classmethod
    def reader(
        cls, source: Path, found: Survey, options: Options, journal: Journal
    ) -> tuple[tuple[str, ...], ReadMask]:
        classes, palette = known_palette(source, options)
        if palette is not None and options.classes and options.palette is None:
            raise UsageError("--classes: palette.txt names the classes; change the names there")
        if palette is None:
            palette = found_palette(found.pairs.files, journal)
            if options.classes:
                classes = names_for(len(palette), source, options, journal)
            else:
                classes = _named_by_colour(palette)
        return classes, partial(read_colours, palette)


def known_palette(
    source: Path, options: Options
) -> tuple[tuple[str, ...], Mapping[Colour, int] | None]:
    """The names and colours that the user or the source lists; none without a list."""
    if options.palette is not None:
        return options.classes, options.palette
    listed = source / "palette.txt"
    return read_palette(listed) if listed.exists() else ((), None)


def found_palette(files: Sequence[Path], journal: Journal) -> dict[Colour, int]:
    """The colours of masks that stand for classes.

    Raises:
        DataError: no mask can be read.
    """
    counts: Counter[int] = Counter()
    for one in in_threads(_counted, files, "reading masks"):
        counts.update(one)
    if not counts:
        raise DataError("no mask in colours can be read")
    total = sum(counts.values())
    frequent = [code for code, count in counts.most_common() if count >= _SHARE * total]
    chosen = list(counts) if len(counts) <= _MOST else _apart(frequent)
    if not chosen:
        raise DataError(f"{files[0]}: no colour is frequent: these are photos rather than masks")
    colours = sorted(_colour(code) for code in chosen)  # black first
    shares = {colour: counts[_code(colour)] / total for colour in colours}
    shown = "; ".join(f"{r} {g} {b} ({share:.1%})" for (r, g, b), share in shares.items())
    journal.decided("no list of the colours (--palette FILE, lines R G B NAME): found", shown)
    return {colour: number for number, colour in enumerate(colours)}


def _apart(codes: Iterable[int]) -> list[int]:
    """The codes whose colours are far from those before them."""
    chosen: list[int] = []
    for code in codes:
        colour = np.array(_colour(code))
        if all(np.abs(colour - np.array(_colour(one))).max() > _APART for one in chosen):
            chosen.append(code)
    return chosen


def _named_by_colour(palette: Mapping[Colour, int]) -> tuple[str, ...]:
    """Black is the background, every other colour is called by its numbers."""
    names = [
        BACKGROUND if colour == (0, 0, 0) else f"colour {' '.join(map(str, colour))}"
        for colour in sorted(palette, key=lambda colour: palette[colour])
    ]
    return limited(names)


def _counted(path: Path) -> Counter[int]:
    try:
        codes = colour_codes(read_colour_mask(path))
    except DataError:
        return Counter()  # reading it for its photo tells what is wrong
    values, counts = np.unique(codes, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def read_colours(
    palette: Mapping[Colour, int], path: Path, journal: Journal, near: int = _NEAR
) -> np.ndarray:
    """Class indices of a mask in colours, uint8 (H, W).

    A colour that is none of the palette's but near to one is that one; others are not labelled.

    Args:
        near: how near, of 255, in any channel.
    """
    codes = colour_codes(read_colour_mask(path))
    present, inverse = np.unique(codes, return_inverse=True)
    known = np.array(list(palette))
    numbers = np.array(list(palette.values()))
    seen = np.array([_colour(code) for code in present.tolist()])
    # (colours seen, 3) against (colours known, 3)
    distance = np.abs(seen[:, None] - known[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    apart = distance.min(axis=1)
    values = np.where(apart <= near, numbers[nearest], IGNORE_INDEX)
    mask = values[inverse].reshape(codes.shape).astype(np.uint8)
    if ((apart > 0) & (apart <= near)).any():
        journal.repaired("colours near to a class's, taken for it")
    strange = int((apart > near)[inverse].sum())
    if strange:
        worst = seen[apart > near][0].tolist()
        journal.repaired(
            "colours of no class, marked as not labelled",
            f"{strange} of {mask.size} pixels, such as {' '.join(map(str, worst))}",
        )
    return mask


def _code(colour: Colour) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255
