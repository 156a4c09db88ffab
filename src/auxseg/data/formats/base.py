"""What a label format is: how it is recognised, and what it says of each photo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.formats.frames import Frame
from auxseg.data.formats.journal import Journal

#: What the first class is called where a format has no name for what is not drawn.
BACKGROUND = "background"


@dataclass(frozen=True)
class Object:
    """One thing that a format outlines or boxes.

    Attributes:
        name: its class.
        box: xmin, ymin, xmax, ymax in pixels of the upright photo.
    """

    name: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Reading:
    """The labels of one photo.

    Attributes:
        mask: uint8 (H, W) of the upright photo: class indices, and IGNORE_INDEX where it is not
            known; None where nothing is known of any pixel.
        objects: what is in the photo, one by one; None where the format tells no objects apart.
    """

    mask: np.ndarray | None
    objects: tuple[Object, ...] | None = None


@dataclass(frozen=True)
class Item:
    """One photo of a source, and how its labels are read.

    Attributes:
        photo: its file, or the bytes of the file where it lies inside of a label file.
        name: its path in the source, which says what to call it.
        read: called with the photo's frame and a journal for this photo, from several threads;
            raises DataError where the labels cannot be read. None for a photo without labels.
        part: ``train``, ``val``, ``test``, or None where the source does not say.
    """

    photo: Path | bytes
    name: Path
    read: Callable[[Frame, Journal], Reading] | None
    part: str | None = None


@dataclass(frozen=True)
class Source:
    """All of a source.

    Attributes:
        classes: names in index order.
    """

    classes: tuple[str, ...]
    items: Sequence[Item]


@dataclass(frozen=True)
class Options:
    """What a user may say of a source.

    Attributes:
        classes: the classes' names in the order wanted; empty for the source's own.
        palette: colour → class index, for masks in colours; None for the source's own.
        ignore_index: the value of masks of indices that means "not labelled".
        folder_classes: whether the folder that a photo lies in is its class.
    """

    classes: tuple[str, ...] = ()
    palette: Mapping[tuple[int, int, int], int] | None = field(default=None)
    ignore_index: int | None = None
    folder_classes: bool = False


class Format(ABC):
    """A way in which people keep labels. A subclass is one file and one line in FORMATS.

    Attributes:
        NAME: what ``--from`` calls it.
        TITLE: what it is, for people.
    """

    NAME: ClassVar[str]
    TITLE: ClassVar[str]

    @classmethod
    @abstractmethod
    def recognises(cls, source: Path) -> str | None:
        """What shows that a folder or file is in this format ("found coco.json"), or None."""

    @classmethod
    @abstractmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        """Reads everything but masks and photos.

        Raises:
            DataError: nothing can be read. What concerns one photo goes to the journal instead.
        """
