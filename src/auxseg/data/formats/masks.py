"""What the formats that keep masks as pictures have in common: photos, parts, labels.csv."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.datasets.folder.masks import read_classes
from auxseg.data.formats.base import Format, Item, Options, Reading, Source
from auxseg.data.formats.classes import clean_name, limited
from auxseg.data.formats.contents import Kind, Survey, survey
from auxseg.data.formats.files import part_of
from auxseg.data.formats.frames import Frame, place
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.pairs import Pairs, of_one_kind, tell_lonely
from auxseg.errors import DataError, UsageError

#: Reads a mask file: class indices, uint8 (H, W), with IGNORE_INDEX.
ReadMask = Callable[[Path, Journal], np.ndarray]


class PictureFormat(Format):
    """Masks as pictures, one of each photo, recognised by what most of their pixels are.

    Attributes:
        KIND: of :func:`auxseg.data.formats.contents.survey`.
        EVIDENCE: what is said of the first such mask.
    """

    KIND: ClassVar[Kind]
    EVIDENCE: ClassVar[str]

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        if not source.is_dir():
            return None
        found = survey(source)
        return f"{found.first} {cls.EVIDENCE}" if found.kind == cls.KIND else None

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        found = survey(source)
        if not found.pairs.files:
            raise DataError(f"{source}: no mask has a photo of its name")
        classes, read = cls.reader(source, found, options, journal)
        return Source(classes, one_mask_items(source, found.pairs, read, journal))

    @classmethod
    @abstractmethod
    def reader(
        cls, source: Path, found: Survey, options: Options, journal: Journal
    ) -> tuple[tuple[str, ...], ReadMask]:
        """The classes' names in index order, and what reads one mask file."""


def one_mask_items(source: Path, pairs: Pairs, read: ReadMask, journal: Journal) -> list[Item]:
    """The photos of a source that keeps one mask of each."""
    tell_lonely(pairs, journal, source)
    masks = of_one_kind(pairs, journal, source)
    return [
        Item(
            photo,
            photo.relative_to(source),
            partial(_read, masks[photo].path, read) if photo in masks else None,
            part_of(photo.parent.relative_to(source)),
        )
        for photo in pairs.photos
    ]


def _read(mask: Path, read: ReadMask, frame: Frame, journal: Journal) -> Reading:
    indices = read(mask, journal)
    height, width = indices.shape
    return Reading(place(frame, (width, height), journal, "mask").mask(indices))


def names_for(count: int, source: Path, options: Options, journal: Journal) -> tuple[str, ...]:
    """Names of so many classes: the user's, those of the source's classes.txt, or numbers.

    Raises:
        UsageError: the user named fewer.
        DataError: the source's classes.txt names fewer.
    """
    if options.classes:
        if len(options.classes) < count:
            raise UsageError(
                f"--classes: names {len(options.classes)} classes, but the masks hold {count}"
            )
        return options.classes
    listed = source / "classes.txt"
    if listed.exists():
        names = read_classes(listed)
        if len(names) < count:
            raise DataError(f"{listed}: names {len(names)} classes, but the masks hold {count}")
        journal.decided("the classes' names come from", listed.name)
        return limited(names)
    if count == 2:
        return ("background", "foreground")
    journal.decided("no names of the classes: numbered (write classes.txt, one per line)")
    return limited([clean_name("", number) for number in range(count)])
