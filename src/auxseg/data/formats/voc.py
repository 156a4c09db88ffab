"""Pascal VOC's layout: JPEGImages/, SegmentationClass/ with palette masks, ImageSets/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from auxseg.data.base import PARTS
from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Format, Item, Object, Options, Reading, Source
from auxseg.data.formats.classes import clean_name, limited
from auxseg.data.formats.colours import read_colours
from auxseg.data.formats.contents import Look, contradictory, grey_values, look
from auxseg.data.formats.frames import Frame
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import one_mask_items
from auxseg.data.formats.pairs import find_pairs
from auxseg.data.threads import in_threads
from auxseg.errors import DataError, UsageError
from auxseg.types import IGNORE_INDEX

MASKS = "SegmentationClass"
#: The value of pixels along the borders, which VOC does not label.
_BORDER = 255
#: CVAT's list of colours, which makes the folder CVAT's.
LABELMAP = "labelmap.txt"
#: LabelMe's list of classes, which its export to this layout writes; it begins with __ignore__.
_NAMES = "class_names.txt"
#: VOC 2012's own classes.
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair"),
    *("cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


class Voc(Format):
    """Palette masks, whose indices are the classes and whose 255 is not labelled.

    - Names come from ``--classes``, from class_names.txt, or are VOC's own twenty where the masks'
      palette is VOC's and no index is above 20.
    - ImageSets/Segmentation/{train,val,test}.txt say the parts.
    - Annotations/STEM.xml have class and box of every object.
    """

    NAME: ClassVar[str] = "voc"
    TITLE: ClassVar[str] = "Pascal VOC"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        found = folder_of(source)
        return None if found is None or (found / LABELMAP).exists() else f"found {MASKS}/"

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        folder = folder_of(source) or source
        pairs = find_pairs(folder)
        files = pairs.files
        if not files:
            raise DataError(f"{folder}: no mask in {MASKS}/ with a photo of its name")
        looks = [one for one in in_threads(_look, files, "reading masks") if one is not None]
        if contradictory([one.colours for one in looks if one.colours is not None]):
            raise DataError(
                f"{folder}: the masks' palettes show one index in several colours; --from colours "
                "reads them by colour"
            )
        found = [value for one in looks for value in one.values if value != _BORDER]
        largest = max(found, default=0)
        palette = None
        if looks and all(one.kind == "colours" for one in looks):
            largest = len(options.classes or VOC_CLASSES) - 1
            palette = {colour: number for number, colour in enumerate(voc_colours(largest + 1))}
            palette[voc_colours(256)[_BORDER]] = IGNORE_INDEX
            journal.decided("masks in VOC's colours and not in its indices: read by colour")
        classes = _names(folder, largest, looks, options, journal)
        read = partial(_read, palette)
        items = one_mask_items(folder, pairs, read, journal)
        return Source(classes, in_parts(folder, [_with_objects(folder, one) for one in items]))


def folder_of(source: Path) -> Path | None:
    """The folder that holds SegmentationClass/: the source, or one below (VOCdevkit/VOC2012)."""
    if not source.is_dir():
        return None
    below = (source, *sorted(source.glob("*")), *sorted(source.glob("*/*")))
    found = [folder for folder in below if (folder / MASKS).is_dir()]
    if len(found) > 1:
        names = " and ".join(str(folder) for folder in found[:2])
        raise DataError(f"{source}: holds {names}; convert one at a time")
    return found[0] if found else None


def voc_colours(count: int) -> list[tuple[int, int, int]]:
    """VOC's palette: bit j of the index, from the third group on, makes bit 7 − j of a channel."""
    colours = []
    for number in range(count):
        channels, rest = [0, 0, 0], number
        for bit in range(7, -1, -1):
            for channel in range(3):
                channels[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colours.append((channels[0], channels[1], channels[2]))
    return colours


def in_parts(folder: Path, items: Sequence[Item]) -> list[Item]:
    """The items with the parts that ImageSets/Segmentation says."""
    parts: dict[str, str] = {}
    for part in PARTS:
        listed = folder / "ImageSets" / "Segmentation" / f"{part}.txt"
        if listed.exists():
            text = listed.read_text(encoding="utf-8-sig", errors="replace")
            parts.update(
                (Path(line.strip()).name, part) for line in text.splitlines() if line.strip()
            )
    return [replace(one, part=parts.get(one.name.stem, one.part)) for one in items]


def _look(path: Path) -> Look | None:
    try:
        return look(path)
    except DataError:
        return None  # reading it for its photo tells what is wrong


def _names(
    folder: Path, largest: int, looks: Sequence[Look], options: Options, journal: Journal
) -> tuple[str, ...]:
    listed = folder / _NAMES
    if options.classes:
        names: Iterable[str] = options.classes
    elif listed.exists():
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
        names = [clean_name(line, number) for number, line in enumerate(lines) if line.strip()]
        names = [name for name in names if name != "__ignore__"]
        journal.decided("the classes' names come from", listed.name)
    elif largest < len(VOC_CLASSES) and all(map(_has_vocs_palette, looks)):
        names = VOC_CLASSES
        journal.decided("VOC's palette and no list of names (--classes FILE): VOC's own 20 classes")
    else:
        names = [clean_name("", number) for number in range(largest + 1)]
        journal.decided("no list of the classes' names (--classes FILE): numbered")
    names = limited(tuple(names))
    if largest >= len(names):
        raise UsageError(f"the masks hold class {largest}, but only {len(names)} are named")
    return names


def _has_vocs_palette(mask: Look) -> bool:
    """Whether a mask shows its indices in VOC's colours; masks in colours were read by these."""
    if mask.colours is None:
        return mask.kind == "colours"
    colours = voc_colours(256)
    return all(shown == colours[index] for index, shown in mask.colours.items())


def _read(
    palette: Mapping[tuple[int, int, int], int] | None, path: Path, journal: Journal
) -> np.ndarray:
    if palette is not None:
        return read_colours(palette, path, journal, near=0)
    values = grey_values(read_picture(path))
    if values is None:
        raise DataError("a mask in colours among masks of indices")
    if values.max() > _BORDER:
        raise DataError(f"mask value {values.max()}; 0 to 255 are read")
    if (values == _BORDER).any():
        journal.decided("value 255, VOC's borders: not labelled")
    return values.astype(np.uint8)


def _with_objects(folder: Path, item: Item) -> Item:
    """The item, whose reading has the objects of its XML file, too."""
    file = folder / "Annotations" / f"{item.name.stem}.xml"
    if item.read is None or not file.exists():
        return item

    read = item.read

    def both(frame: Frame, journal: Journal) -> Reading:
        return replace(read(frame, journal), objects=_objects(file, frame, journal))

    return replace(item, read=both)


def _objects(file: Path, frame: Frame, journal: Journal) -> tuple[Object, ...] | None:
    """The objects of an XML file; None, with a line, where it cannot be read."""
    width, height = frame.upright
    try:
        found = []
        for one in ElementTree.parse(file).iter("object"):
            corners = [float(one.findtext(f"bndbox/{name}") or "nan") for name in _CORNERS]
            # VOC counts pixels from 1.
            left, right = (min(max(x, 0), width) for x in (corners[0] - 1, corners[2]))
            top, bottom = (min(max(y, 0), height) for y in (corners[1] - 1, corners[3]))
            if not np.isfinite(corners).all() or left >= right or top >= bottom:
                raise ValueError(f"a box that has no pixel of the photo: {corners}")
            name = clean_name(one.findtext("name"), 0)
            found.append(Object(name, (left, top, right, bottom)))
        return tuple(found)
    except (OSError, ValueError, ParseError, DefusedXmlException) as error:
        journal.unreadable("an XML file of objects", f"{file.name}: {error}")
        return None


_CORNERS = ("xmin", "ymin", "xmax", "ymax")
