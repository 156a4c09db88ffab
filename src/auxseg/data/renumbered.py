"""A data set with the class numbers of another: classes are the same where their names are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from auxseg.data.base import Dataset, Split
from auxseg.errors import UsageError
from auxseg.types import ClassNames, Sample


def in_classes_of(dataset: Dataset, classes: ClassNames) -> Dataset:
    """The data set with these classes; the data set itself where it has them.

    Args:
        classes: of a run. It may know classes that the data set has not; of a kind of which it
            knows none, labels are passed over.

    Raises:
        UsageError: the data set has a class that the run does not know.
    """
    return dataset if dataset.classes == classes else Renumbered(dataset, classes)


class Renumbered(Dataset):
    """See :func:`in_classes_of`."""

    def __init__(self, dataset: Dataset, classes: ClassNames) -> None:
        self._dataset = dataset
        self.NAME = dataset.NAME  # type: ignore[misc]
        self.VERSION = dataset.VERSION  # type: ignore[misc]
        self.notes = dataset.notes
        self.mask_classes, self.label_classes = classes.mask, classes.label
        self._masks = np.arange(256, dtype=np.uint8)  # what is ignored stays
        found = _numbers("mask", dataset.mask_classes, classes.mask)
        self._masks[: len(found)] = found
        self._labels = _numbers("image", dataset.label_classes, classes.label)

    def __len__(self) -> int:
        return len(self._dataset)

    def name(self, index: int) -> str:
        return self._dataset.name(index)

    def sources(self, index: int) -> tuple[Path, ...]:
        return self._dataset.sources(index)

    def read(self, index: int, size: int | None = None) -> Sample:
        sample = self._dataset.read(index, size)
        mask = sample.mask if self.mask_classes else None
        label = sample.label if self.label_classes else None
        return replace(
            sample,
            mask=None if mask is None else self._masks[mask],
            label=None if label is None else self._labels[label],
        )

    def split(self) -> Split:
        return self._dataset.split()

    def options_key(self) -> str:
        return repr((self._dataset.options_key(), self._masks.tolist(), self._labels))


def _numbers(kind: str, own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The wanted number of each of the data set's classes."""
    unknown = [name for name in own if name not in wanted]
    if wanted and unknown:
        raise UsageError(
            f"the run does not know the {kind} class {unknown[0]!r}; its classes are "
            f"{', '.join(wanted)}"
        )
    return [wanted.index(name) for name in own] if wanted else []
