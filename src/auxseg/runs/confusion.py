"""Which class was taken for which: a matrix per task in a run's directory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auxseg.errors import DataError
from auxseg.runs.files import write_rows

#: The title of the first column, which holds the true classes.
_TRUE = "true class"


@dataclass(frozen=True)
class Confusion:
    """How often each true class was taken for each.

    Attributes:
        classes: their names, index order.
        counts: int64 (K, K): row: the truth, column: the prediction; pixels, or images.
    """

    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def support(self) -> np.ndarray:
        """How often each class occurs, int64 (K,)."""
        found: np.ndarray = self.counts.sum(axis=1)
        return found

    @property
    def shares(self) -> np.ndarray:
        """Each row as shares of the class, float64 (K, K); NaN where it does not occur."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.counts / self.support[:, None])

    def mistaken(self, number: int) -> tuple[str, float] | None:
        """What a class is most often taken for, and for which share of it; None for nothing."""
        others = np.where(np.arange(len(self.classes)) == number, 0, self.counts[number])
        if not others.any():
            return None
        other = int(others.argmax())
        return self.classes[other], float(self.shares[number, other])


def confusion_file(run: Path, task: str, split: str) -> Path:
    return run / f"confusion-{task}-{split}.csv"


def write_confusion(path: Path, confusion: Confusion) -> None:
    """A row per true class, a column per predicted one."""
    write_rows(
        path,
        [
            {_TRUE: name, **dict(zip(confusion.classes, row.tolist(), strict=True))}
            for name, row in zip(confusion.classes, confusion.counts, strict=True)
        ],
    )


def read_confusion(path: Path) -> Confusion | None:
    """What :func:`write_confusion` wrote; None where there is no file."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    try:
        counts = np.array([[int(cell) for cell in row[1:]] for row in rows[1:]], dtype=np.int64)
        if counts.shape != (len(rows) - 1, len(rows) - 1) or rows[0][0] != _TRUE:
            raise ValueError
    except (ValueError, IndexError):
        raise DataError(f"{path}: is not a confusion matrix as auxseg writes it") from None
    return Confusion(tuple(rows[0][1:]), counts)
