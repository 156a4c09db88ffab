"""How much there is of what, in the whole and in each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from auxseg.data.base import PARTS
from auxseg.data.checks import Report
from auxseg.data.findings import Finding
from auxseg.types import IGNORE_INDEX

#: So many different sizes are listed, the most frequent first.
_SIZES = 6


def _groups(report: Report) -> dict[str, list[Finding]]:
    """All findings, and those of each part that has any."""
    parts = {
        part: [report.findings[number] for number in getattr(report.split, part)] for part in PARTS
    }
    return {"all": list(report.findings), **{name: one for name, one in parts.items() if one}}


def part_table(report: Report) -> list[list[str]]:
    """Images with each kind of label, by part."""
    has: dict[str, Callable[[Finding], bool]] = {
        "images": lambda one: True,
        "readable": lambda one: one.readable,
        "with mask": lambda one: one.pixels is not None,
        "with class": lambda one: one.label is not None,
        "with box": lambda one: one.has_box,
    }
    names = report.dataset.label_classes
    for number, name in enumerate(names):
        has[f"of {name}"] = lambda one, number=number: one.label == number  # type: ignore[misc]
    groups = _groups(report)
    rows = [
        [title, *(str(sum(map(holds, found))) for found in groups.values())]
        for title, holds in has.items()
    ]
    return [["", *groups], *rows]


def class_table(report: Report) -> list[list[str]]:
    """The mask's classes: in how many photos each is, and its share of the pixels, by part."""
    groups = _groups(report)
    header = ["class"]
    for name in groups:
        header += [f"photos ({name})", f"pixels ({name})"]
    counted = {name: _pixels(found) for name, found in groups.items()}
    if not counted["all"].size:
        return [header]
    names = dict(enumerate(report.dataset.mask_classes))
    if counted["all"][:, IGNORE_INDEX].any():
        names[IGNORE_INDEX] = "not labelled"
    rows = []
    for number, title in names.items():
        row = [title]
        for pixels in counted.values():
            if not pixels.size:
                row += ["0", "–"]
                continue
            labelled = pixels.sum() - (
                0 if number == IGNORE_INDEX else pixels[:, IGNORE_INDEX].sum()
            )
            share = pixels[:, number].sum() / max(labelled, 1)
            row += [str(int((pixels[:, number] > 0).sum())), f"{share:.2%}"]
        rows.append(row)
    return [header, *rows]


def _pixels(findings: Sequence[Finding]) -> np.ndarray:
    """int64 (masks, 256)."""
    return np.array([one.pixels for one in findings if one.pixels is not None])


def size_table(report: Report) -> list[list[str]]:
    """The most frequent sizes of photos."""
    sizes = Counter(one.size for one in report.findings if one.size is not None)
    rows = [
        [f"{width} × {height} pixels", str(count)]
        for (width, height), count in sizes.most_common(_SIZES)
    ]
    further = sum(sizes.values()) - sum(count for _, count in sizes.most_common(_SIZES))
    if further:
        rows.append([f"{len(sizes) - _SIZES} other sizes", str(further)])
    return [["size", "images"], *rows]
