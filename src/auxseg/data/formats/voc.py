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
from auxseg.data.formats.contents import grey_values, in_threads
from auxseg.data.formats.frames import Frame
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import one_mask_items
from auxseg.data.formats.pairs import find_pairs
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
        files = [one.path for masks in pairs.masks.values() for one in masks]
        if not files:
            raise DataError(f"{folder}: no mask in {MASKS}/ with a photo of its name")
        largest = max((one for one in in_threads(_largest, files) if one is not None), default=None)
        palette = None
        if largest is None:
            palette = {colour: number for number, colour in enumerate(voc_colours(256))}
            palette[voc_colours(256)[_BORDER]] = IGNORE_INDEX
            journal.decided("masks in VOC's colours and not in its indices: read by colour")
            largest = len(VOC_CLASSES) - 1
        classes = _names(folder, largest, files, options, journal)
        read = partial(_read, palette)
        items = one_mask_items(folder, pairs, read, journal)
        return Source(classes, in_parts(folder, [_with_objects(folder, one) for one in items]))


def folder_of(source: Path) -> Path | None:
    """The folder that holds SegmentationClass/: the source, or one below (VOCdevkit/VOC2012)."""
    if not source.is_dir():
        return None
    for folder in (source, *sorted(source.glob("*")), *sorted(source.glob("*/*"))):
        if (folder / MASKS).is_dir():
            return folder
    return None


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


def _largest(path: Path) -> int | None:
    """The largest class index of a mask; None for a mask in colours or one that is damaged."""
    try:
        values = grey_values(read_picture(path))
    except DataError:
        return None
    if values is None:
        return None
    inside = values[values != _BORDER]
    return int(inside.max()) if inside.size else 0


def _names(
    folder: Path, largest: int, files: Sequence[Path], options: Options, journal: Journal
) -> tuple[str, ...]:
    listed = folder / _NAMES
    if options.classes:
        names: Iterable[str] = options.classes
    elif listed.exists():
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
        names = [clean_name(line, number) for number, line in enumerate(lines) if line.strip()]
        names = [name for name in names if name != "__ignore__"]
        journal.decided("the classes' names come from", listed.name)
    elif largest < len(VOC_CLASSES) and _has_vocs_palette(files[0]):
        names = VOC_CLASSES
        journal.decided("VOC's palette and no list of names (--classes FILE): VOC's own 20 classes")
    else:
        names = [clean_name("", number) for number in range(largest + 1)]
        journal.decided("no list of the classes' names (--classes FILE): numbered")
    names = limited(tuple(names))
    if largest >= len(names):
        raise UsageError(f"the masks hold class {largest}, but only {len(names)} are named")
    return names


def _has_vocs_palette(mask: Path) -> bool:
    picture = read_picture(mask)
    values = grey_values(picture)
    if values is None:
        return True
    if picture.mode != "P":
        return False
    colours = voc_colours(256)
    present = np.unique(values).tolist()
    shown = np.array(picture.getpalette("RGB")).reshape(-1, 3).tolist()
    return all(one < len(shown) and tuple(shown[one]) == colours[one] for one in present)


def _read(
    palette: Mapping[tuple[int, int, int], int] | None, path: Path, journal: Journal
) -> np.ndarray:
    if palette is not None:
        return read_colours(palette, path, journal)
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
        return replace(read(frame, journal), objects=_objects(file, journal))

    return replace(item, read=both)


def _objects(file: Path, journal: Journal) -> tuple[Object, ...] | None:
    """The objects of an XML file; None, with a line, where it cannot be read."""
    try:
        found = []
        for one in ElementTree.parse(file).iter("object"):
            corners = [float(one.findtext(f"bndbox/{name}") or "nan") for name in _CORNERS]
            # VOC counts pixels from 1.
            box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
            found.append(Object(clean_name(one.findtext("name") or "", 0), box))
        return tuple(found)
    except (OSError, ValueError, ParseError, DefusedXmlException) as error:
        journal.unreadable("an XML file of objects", f"{file.name}: {error}")
        return None


_CORNERS = ("xmin", "ymin", "xmax", "ymax")
