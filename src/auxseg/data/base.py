"""What a data set is: files (or a drawing program) → samples with whichever labels they have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from auxseg.types import ClassNames, Sample

#: The parts of a split.
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Numbers of the images of a data set in each part; the three never overlap.

    Attributes:
        test: may be empty, where a data set is too small to hold images back for it.
        notes: what a user should know of how the parts were drawn.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]
    notes: tuple[str, ...] = field(default=(), compare=False, kw_only=True)


class Dataset(ABC):
    """A data set on disk. It knows neither tasks nor training, and keeps no pixels in memory.

    A subclass is one file and one line in :data:`auxseg.data.DATASETS`. Its ``__init__`` takes
    ``root`` (a folder, or None), ``split`` (one of :attr:`SPLITS`, or None for the first) and
    ``split_seed``; further keyword arguments with defaults are its own options, reachable as
    ``--data.options.NAME``. Structural errors (no such folder, a broken row in a table) raise
    :class:`~auxseg.errors.DataError` there; an option with a wrong value raises
    :class:`~auxseg.errors.UsageError`.

    Attributes:
        NAME: what ``--data`` calls it.
        SPLITS: the allowed values of ``--split``; the first is the default.
        IMAGE_SIZE: the training size where the user names none, in pixels.
        VERSION: raised whenever the same files would give other samples: part of the cache key.
        mask_classes: names of the mask's classes, index order; empty if no image has a mask.
        label_classes: names of the images' classes, index order; empty if no image has one.
        notes: observations a user should read once ("12 of 50 images have no mask").
    """

    NAME: ClassVar[str]
    SPLITS: ClassVar[tuple[str, ...]]
    IMAGE_SIZE: ClassVar[int] = 256
    VERSION: ClassVar[int] = 1

    mask_classes: tuple[str, ...]
    label_classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    #: What a folder of this data set holds, for error messages; empty where there is no folder.
    LAYOUT: ClassVar[str] = ""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder has this data set's layout (``auxseg data check`` finds it out so)."""
        return False

    @property
    def mend_copies(self) -> str:
        """What a user can do so that images that look alike are in one part."""
        return "remove the copies, or put each group into one part"

    @property
    def classes(self) -> ClassNames:
        return ClassNames(self.mask_classes, self.label_classes)

    @abstractmethod
    def __len__(self) -> int:
        """The number of images, readable or not."""

    @abstractmethod
    def name(self, index: int) -> str:
        """The image's file name without folder, which no other image of the data set has.

        It names the image in messages, output files and kept splits
        (:mod:`auxseg.data.kept`).
        """

    @abstractmethod
    def sources(self, index: int) -> tuple[Path, ...]:
        """The files that :meth:`read` reads: their path, size and date key the cache."""

    @abstractmethod
    def read(self, index: int, size: int | None = None) -> Sample:
        """Decodes one image and its labels; called from several threads at once.

        Args:
            size: stretch image and mask to ``(size, size)``; None keeps the native size.

        Raises:
            UnreadableImageError: the image file cannot be decoded (the image is left out).
            DataError: a label is wrong (training stops): names the file and what is allowed.
        """

    @abstractmethod
    def split(self) -> Split:
        """Which images train, which choose, which test. Depends on ``split_seed`` alone."""

    def options_key(self) -> str:
        """All but the files that changes what :meth:`read` returns: part of the cache key."""
        return ""
