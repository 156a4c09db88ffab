"""One-line errors for the options that all data sets take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auxseg.errors import DataError, UsageError


def one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    """Returns ``value``, or raises UsageError that lists what ``option`` may be."""
    if value not in allowed:
        raise UsageError(f"{option}: {value!r} is not one of {', '.join(allowed)}")
    return value


def checked_split(split: str | None, splits: Sequence[str]) -> str:
    """Returns the split, the first one for None; raises UsageError for an unknown one."""
    if split is not None and split not in splits:
        raise UsageError(
            f"split: {split!r} is not one of {', '.join(splits)}, nor a split file (FILE.csv, such "
            "as the split.csv of a run)"
        )
    return split or splits[0]


def checked_seed(split_seed: int) -> int:
    """Returns ``split_seed``, or raises UsageError if it is negative."""
    if split_seed < 0:
        raise UsageError(f"split_seed: {split_seed} is negative; 0 and above are allowed")
    return split_seed


def existing_root(name: str, root: Path | str | None) -> Path:
    """The data set's folder.

    Raises:
        UsageError: no folder was named.
        DataError: there is no such folder.
    """
    if root is None:
        raise UsageError(f"data set {name}: name its folder with --root DIR")
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (root of data set {name})")
    return folder
