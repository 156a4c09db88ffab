"""A user's own folder without code: images/, and masks/, classes.txt, labels.csv where they are."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.base import PARTS, Dataset, Split
from auxseg.data.boxes import relative_box
from auxseg.data.datasets.folder import scan
from auxseg.data.datasets.folder.alike import look_alikes
from auxseg.data.datasets.folder.files import find_files
from auxseg.data.datasets.folder.labels import LabelTable, Row, read_labels
from auxseg.data.datasets.folder.masks import (
    MAX_CLASSES,
    MaskFormat,
    check_ignore_index,
    read_classes,
    read_palette,
)
from auxseg.data.decode import is_turned, read_image, stretch
from auxseg.data.files import IMAGE_ENDINGS, is_image, list_files
from auxseg.data.options import checked_seed, checked_split, existing_root
from auxseg.data.problems import DataProblemsError
from auxseg.data.splits import ENOUGH_MASKS, grouped, masked, stratified
from auxseg.errors import DataError, UsageError
from auxseg.types import Sample

#: The names of the images' classes, in a folder that says their order.
LABEL_CLASSES = "label_classes.txt"
#: The split that keeps photos that look alike together.
GROUPED = "grouped"


class Folder(Dataset):
    """Images with whichever labels a user has.

    - ``images/*.jpg`` and other formats; a folder without ``images/`` may hold them itself.
    - ``masks/STEM.png``: class indices, or colours where there is a palette.
    - ``classes.txt``: the mask's classes, one per line. Without it, all masks are scanned: values 0
      to the largest are the classes; values 0 and 255 alone mean background and foreground.
    - ``palette.txt``: lines ``R G B name``, one a class, for masks in colours.
    - ``label_classes.txt``: the images' classes, one per line. Without it they are the labels of
      ``labels.csv`` in order.
    - ``labels.csv``: columns image (file name or stem), label, xmin, ymin, xmax, ymax (pixels of
      the upright photo), split; all but the first optional, empty cells are missing labels.

    Args:
        root: the folder.
        split: ``masked``: only photos with a mask are validated and tested on, and all others
            are trained on; 60/20/20 of 50 masks or more, of fewer 10 (at most half) validate and
            there is no test part (:func:`~auxseg.data.splits.masked`). ``grouped``: the same, with
            photos that look alike in one part (:func:`~auxseg.data.splits.grouped`).
            ``stratified``: 60/20/20 of all photos, masks or not. The first and the last draw by
            class. All draw with ``split_seed``, unless labels.csv has a column split, which then
            decides.
        ignore_index: the class index in the masks' files (with a palette: the number of its line,
            from 0) that means "not labelled".
        palette: a palette file elsewhere than ``palette.txt``.

    Raises:
        UsageError: no root, or an option's value is out of range.
        DataError: no images.
        DataProblemsError: files contradict one another.
    """

    NAME: ClassVar[str] = "folder"
    SPLITS: ClassVar[tuple[str, ...]] = ("masked", GROUPED, "stratified")
    IMAGE_SIZE: ClassVar[int] = 256
    LAYOUT: ClassVar[str] = f"images/ or image files ({', '.join(IMAGE_ENDINGS)})"

    def __init__(
        self,
        root: Path | str | None = None,
        split: str | None = None,
        split_seed: int = 0,
        *,
        ignore_index: int | None = None,
        palette: Path | None = None,
    ) -> None:
        self._split = checked_split(split, self.SPLITS)
        check_ignore_index(ignore_index)
        self._seed = checked_seed(split_seed)
        self.root = existing_root(self.NAME, root)
        files = find_files(self.root)
        self._images, self._masks = files.images, files.masks
        self.notes = files.notes
        table = self._read_table()
        self._rows, self._has_parts = table.rows, table.has_parts
        self.label_classes, label_problems = self._label_classes(table)
        self._palette_file = self._find_palette(palette)
        self._format, mask_problems = self._mask_format(ignore_index)
        self.mask_classes = self._format.classes
        problems = [
            *files.problems,
            *table.problems,
            *self._without_part(table.faulty),
            *label_problems,
            *mask_problems,
        ]
        if problems:
            raise DataProblemsError(problems, partial=self)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "images").is_dir() or any(map(is_image, list_files(root)))

    @property
    def mask_format(self) -> MaskFormat:
        """How its masks are written."""
        return self._format

    def photo(self, index: int) -> Path:
        """The file of an image."""
        return self._images[index]

    def __len__(self) -> int:
        return len(self._images)

    def name(self, index: int) -> str:
        return self._images[index].name

    def sources(self, index: int) -> tuple[Path, ...]:
        names = ("labels.csv", "classes.txt", LABEL_CLASSES)
        tables = (*(self.root / name for name in names), self._palette_file)
        files = (self._images[index], self._masks[index], *tables)
        return tuple(file for file in files if file is not None and file.exists())

    def read(self, index: int, size: int | None = None) -> Sample:
        image = read_image(self._images[index])
        sample = Sample(
            image=image,
            mask=self._read_mask(index, image.shape[:2]),
            label=self._label(index),
            box=self._read_box(index, image.shape[:2]),
        )
        return sample if size is None else stretch(sample, size)

    def split(self) -> Split:
        if self._has_parts:
            train, val, test = (
                tuple(index for index in range(len(self)) if self._row(index).part == part)
                for part in PARTS
            )
            return Split(train, val, test)
        labels = [self._label(index) for index in range(len(self))]
        if self._split == "stratified":
            return Split(*stratified(labels, self._seed))
        has_mask = [mask is not None for mask in self._masks]
        if self._split == GROUPED:
            train, val, test = grouped(self._look_alikes, has_mask, self._seed)
            usual = masked(labels, has_mask, self._seed)
            notes = _about_left_out(len(self) - len(train) - len(val) - len(test))
            for part, here, there in zip(PARTS, (train, val, test), usual, strict=True):
                if 2 * len(here) < len(there) or (there and not here):
                    raise DataError(
                        f"{self.root}: --split {GROUPED} puts {len(here)} photos into {part}, not "
                        f"about {len(there)}, as too many photos look alike; take photos of "
                        "further things, or --split masked"
                    )
        else:
            train, val, test = masked(labels, has_mask, self._seed)
            notes = ()
        return Split(train, val, test, notes=(*_about_few_masks(sum(has_mask), len(val)), *notes))

    @cached_property
    def _look_alikes(self) -> list[list[int]]:
        return look_alikes(self._images)

    @property
    def drawn(self) -> bool:
        """Whether the split is drawn, and not given by labels.csv."""
        return not self._has_parts

    @property
    def mend_copies(self) -> str:
        if self._has_parts:
            return super().mend_copies
        if self._split == GROUPED:
            return "remove the copies"
        return f"remove the copies, or keep each group in one part (--split {GROUPED})"

    def options_key(self) -> str:
        # Which classes there are may depend on all masks, not only on an image's own.
        return repr(self._format)

    def _row(self, index: int) -> Row:
        return self._rows.get(index, Row(line=0))

    def _label(self, index: int) -> int | None:
        label = self._row(index).label
        return None if label is None else self.label_classes.index(label)

    def _read_mask(self, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
        path = self._masks[index]
        if path is None:
            return None
        mask = self._format.read(path)
        if mask.shape != shape:
            turned = mask.shape == shape[::-1] and is_turned(self._images[index])
            raise DataError(
                f"{path}: {mask.shape[1]} × {mask.shape[0]} pixels, but its image "
                f"{self.name(index)} has {shape[1]} × {shape[0]}"
                + (" when it is turned as its EXIF data say; turn the mask, too" if turned else "")
            )
        return mask

    def _read_box(self, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
        row = self._row(index)
        if row.box is None:
            return None
        where = f"{self.root / 'labels.csv'} line {row.line} ({self.name(index)})"
        return relative_box(row.box, width=shape[1], height=shape[0], where=where)

    def _label_classes(self, table: LabelTable) -> tuple[tuple[str, ...], list[str]]:
        """The images' classes, and what is wrong with them."""
        listed = self.root / LABEL_CLASSES
        found = _distinct_labels(table)
        if not listed.exists():
            return found, []
        names = read_classes(listed)
        strange = [label for label in found if label not in names]
        if not strange:
            return names, []
        problem = f"{listed}: lacks the label {strange[0]!r} of labels.csv"
        return (*names, *strange), [problem]

    def _read_table(self) -> LabelTable:
        path = self.root / "labels.csv"
        if not path.exists():
            return LabelTable(rows={}, has_parts=False, problems=())
        names = {image.stem: index for index, image in enumerate(self._images)}
        names |= {image.name: index for index, image in enumerate(self._images)}
        return read_labels(path, names)

    def _without_part(self, faulty: frozenset[int]) -> list[str]:
        """A split column decides for every image, so every image needs a value there."""
        known = self._rows.keys() | faulty
        lacking = [i for i in range(len(self)) if i not in known] if self._has_parts else []
        if not lacking:
            return []
        return [
            f"{self.root / 'labels.csv'}: has a column split, but no sound row for {len(lacking)} "
            f"of {len(self)} images (first: {self.name(lacking[0])}); every image needs one of "
            f"{', '.join(PARTS)}"
        ]

    def _find_palette(self, option: Path | str | None) -> Path | None:
        if option is not None:
            if not Path(option).is_file():
                raise UsageError(f"palette: {option} is not a file")
            return Path(option)
        default = self.root / "palette.txt"
        return default if default.exists() else None

    def _mask_format(self, ignore_index: int | None) -> tuple[MaskFormat, list[str]]:
        """How the masks are to be read, and the problems met in finding out."""
        masks = [mask for mask in self._masks if mask is not None]
        if not masks:
            return MaskFormat(classes=()), []
        listed = self.root / "classes.txt"
        names = read_classes(listed) if listed.exists() else None
        if self._palette_file is not None:
            classes, colours = read_palette(self._palette_file)
            if names not in (None, classes):
                raise DataError(f"{listed}: names other classes than {self._palette_file}")
            return MaskFormat(_without_ignored(classes, ignore_index), ignore_index, colours), []
        if names is not None and (len(names) != 2 or ignore_index is not None):
            # The values need no scan, which reads every mask; the palettes may.
            scanned, _ = scan.scan(masks) if scan.has_palettes(masks) else ([], [])
            self.notes += scan.remarks(scanned)
            return (
                MaskFormat(_without_ignored(names, ignore_index), ignore_index),
                scan.contradictions(scanned),
            )
        return self._scanned_format(masks, names, ignore_index)

    def _scanned_format(
        self, masks: list[Path], names: tuple[str, ...] | None, ignore_index: int | None
    ) -> tuple[MaskFormat, list[str]]:
        scanned, problems = scan.scan(masks)
        values = {value for mask in scanned for value in mask.values}
        problems += scan.contradictions(scanned)
        self.notes += scan.remarks(scanned)
        if ignore_index is None and scan.black_and_white(scanned):
            classes = names or ("background", "foreground")
            note = f"masks hold 0 and 255 only: read as {classes[0]} and {classes[1]}"
            self.notes = (*self.notes, note)
            return MaskFormat(classes, foreground_255=True), problems
        if names is not None:
            return MaskFormat(names), problems
        problems += scan.interpolated(scanned)
        # MAX_CLASSES itself would need a 256th class; MaskFormat.read names the file that holds it.
        indices = values - {ignore_index, MAX_CLASSES}
        if not indices and not problems:
            problems.append(f"{self.root / 'masks'}: no mask holds a class index")
        count = max(indices, default=0) + 1
        gaps = scan.gaps(scanned, ignore_index)
        note = f"no classes.txt: the masks' values give {count} classes, 0 to {count - 1}{gaps}"
        self.notes = (*self.notes, note)
        return MaskFormat(tuple(f"class {i}" for i in range(count)), ignore_index), problems


def _distinct_labels(table: LabelTable) -> tuple[str, ...]:
    """The distinct labels in order: as numbers if all are, else as text."""
    labels = {row.label for row in table.rows.values() if row.label is not None}
    if all(label.isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _about_few_masks(count: int, validate: int) -> tuple[str, ...]:
    """What to say of a split ``masked`` without a test part."""
    if not 0 < count < ENOUGH_MASKS:
        return ()
    return (
        f"images with a mask: {count} ({count - validate} in train, {validate} in val); with "
        f"fewer than {ENOUGH_MASKS} there is no test part: add masks, or say each image's part in "
        "a column split of labels.csv, or, for a final fit on all masks, use --train-on train+val",
    )


def _about_left_out(count: int) -> tuple[str, ...]:
    """What to say of photos without a mask that look like one that is held back."""
    if not count:
        return ()
    return (
        f"photos in no part: {count}, without a mask and like a photo that is held back "
        f"(--split {GROUPED})",
    )


def _without_ignored(classes: tuple[str, ...], ignore_index: int | None) -> tuple[str, ...]:
    """A last class that is ignored needs no output of the network."""
    return classes[:-1] if ignore_index == len(classes) - 1 else classes
