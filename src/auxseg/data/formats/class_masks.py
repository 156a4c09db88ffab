"""A mask of 0 and 255 for every class of every photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Format, Item, Options, Reading, Source
from auxseg.data.formats.black_white import thresholded
from auxseg.data.formats.classes import is_background, named_classes
from auxseg.data.formats.contents import alpha_values, grey_values, survey
from auxseg.data.formats.files import part_of
from auxseg.data.formats.frames import Frame, place
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.pairs import MaskFile, Pairs, tell_lonely
from auxseg.errors import DataError


class ClassMasks(Format):
    """``masks/STEM/CLASS.png``, ``masks/CLASS/STEM.png`` or ``STEM_CLASS.png``.

    Where masks of two classes overlap, the one with fewer pixels in the photo lies above.
    """

    NAME: ClassVar[str] = "class-masks"
    TITLE: ClassVar[str] = "one mask per class"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        if not source.is_dir():
            return None
        found = survey(source)
        return f"{found.first} is of one class of its photo" if found.by_class else None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        pairs = survey(source).pairs
        tell_lonely(pairs, journal, source)
        used = sorted({_name(one) for masks in pairs.masks.values() for one in masks})
        if not used:
            raise DataError(f"{source}: no mask with a photo of its name")
        _check_classes(source, pairs)
        classes = named_classes(used, used, options, journal)
        items = []
        for photo in pairs.photos:
            masks = pairs.masks.get(photo)
            read = partial(_read, masks, classes) if masks else None
            part = part_of(photo.parent.relative_to(source))
            items.append(Item(photo, photo.relative_to(source), read, part))
        return Source(classes, items)


def _check_classes(source: Path, pairs: Pairs) -> None:
    """Masks of single things have names of their own in every photo: those are no classes."""
    names = Counter(_name(one) for masks in pairs.masks.values() for one in masks)
    once = [name for name, count in names.items() if count == 1]
    if len(pairs.masks) > 2 and 2 * len(once) > len(names):
        raise DataError(
            f"{source}: {len(once)} of {len(names)} classes ({once[0]}, …) have one mask alone: "
            "masks of single things, whose names are no classes, are not read"
        )


def _name(mask: MaskFile) -> str:
    """The class of a mask; one that says none is the only one there is."""
    return mask.category or "foreground"


def _read(
    masks: Sequence[MaskFile], classes: tuple[str, ...], frame: Frame, journal: Journal
) -> Reading:
    width, height = frame.upright
    whole = np.zeros((height, width), dtype=np.uint8)
    drawn: list[tuple[int, np.ndarray]] = []
    for one in masks:
        if is_background(_name(one)):
            continue  # what no other class has
        try:
            inside = _inside(one.path, journal)
        except DataError as error:
            raise DataError(
                f"{one.path.name}: {str(error).removeprefix(f'{one.path}: ')}"
            ) from None
        placing = place(frame, (inside.shape[1], inside.shape[0]), journal, "mask")
        drawn.append((classes.index(_name(one)), placing.mask(inside).astype(bool)))
    for number, inside in sorted(drawn, key=lambda one: int(one[1].sum()), reverse=True):
        if (whole[inside] > 0).any():
            journal.decided("masks of two classes overlap: the smaller one lies above")
        whole[inside] = number
    return Reading(whole)


def _inside(path: Path, journal: Journal) -> np.ndarray:
    picture = read_picture(path)
    values = alpha_values(picture)
    if values is None:
        values = grey_values(picture)
    if values is None:
        raise DataError("a mask in colours; black and white are read")
    if set(np.unique(values).tolist()) <= {0, 1}:
        return values.astype(np.uint8)
    return thresholded(values, journal)
