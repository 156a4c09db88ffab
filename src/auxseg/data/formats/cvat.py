"""CVAT's "Segmentation mask 1.1": Pascal VOC's layout with a list of colours, labelmap.txt."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from auxseg.data.formats.base import BACKGROUND, Format, Options, Source
from auxseg.data.formats.classes import clean_name, is_background, limited
from auxseg.data.formats.colours import Colour, read_colours
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import one_mask_items
from auxseg.data.formats.pairs import find_pairs
from auxseg.data.formats.voc import LABELMAP, folder_of, in_parts
from auxseg.errors import DataError, UsageError


class Cvat(Format):
    """Masks in the colours of labelmap.txt, lines ``NAME:R,G,B:PARTS:ACTIONS``.

    The background need not come first there; in the folder layout it does. Classes are read by
    colour, whatever the masks' own indices are.
    """

    NAME: ClassVar[str] = "cvat"
    TITLE: ClassVar[str] = "CVAT segmentation masks"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        folder = folder_of(source)
        return f"found {LABELMAP}" if folder is not None and (folder / LABELMAP).exists() else None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        folder = folder_of(source)
        if folder is None or not (folder / LABELMAP).exists():
            raise DataError(f"{source}: no SegmentationClass/ with {LABELMAP} beside it")
        colours = _labelmap(folder / LABELMAP)
        background = next((name for name in colours.values() if is_background(name)), None)
        if background is None:
            if (0, 0, 0) in colours:
                background = colours[0, 0, 0]
            else:
                background, colours = BACKGROUND, {(0, 0, 0): BACKGROUND, **colours}
        journal.decided(f"class 0 is {background!r}")
        names = dict.fromkeys([background, *colours.values()])
        classes = options.classes or limited(list(names))
        lacking = [name for name in names if name not in classes]
        if lacking:
            raise UsageError(f"--classes: {lacking[0]!r} of {LABELMAP} is none of them")
        palette = {colour: classes.index(name) for colour, name in colours.items()}
        pairs = find_pairs(folder)
        if not pairs.masks:
            raise DataError(
                f"{folder}: no mask with a photo of its name; CVAT exports the photos with "
                '"Save images", else put them into JPEGImages/'
            )
        items = one_mask_items(folder, pairs, partial(read_colours, palette), journal)
        return Source(classes, in_parts(folder, items))


def _labelmap(path: Path) -> dict[Colour, str]:
    """Colour → name, in the file's order.

    Raises:
        DataError: a line is not of that form, or a colour is there twice.
    """
    colours: dict[Colour, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, channels = line.split(":")[:2]
            red, green, blue = (int(one) for one in channels.split(","))
        except ValueError:
            raise DataError(
                f"{path} line {number}: {line!r} is not of the form NAME:R,G,B::"
            ) from None
        if not all(0 <= one <= 255 for one in (red, green, blue)):
            raise DataError(f"{path} line {number}: a colour's channels run from 0 to 255")
        if (red, green, blue) in colours:
            raise DataError(f"{path} line {number}: colour {channels} is there twice")
        colours[red, green, blue] = clean_name(name, number)
    if not colours:
        raise DataError(f"{path}: names no class")
    return colours
