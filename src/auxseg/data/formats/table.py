"""labels.csv of a converted folder: classes, boxes and parts, as far as the source has them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.base import PARTS
from auxseg.data.datasets.folder.labels import BOX_COLUMNS, Row, read_labels
from auxseg.data.formats.base import Item, Object
from auxseg.data.formats.journal import Journal
from auxseg.errors import DataError

#: Of the photos to train on, every so many-th becomes one to validate on, where a source has a part
#: to test on and none to validate on.
_EVERY = 5


@dataclass(frozen=True)
class Written:
    """One photo of the new folder.

    Attributes:
        objects: None where the format tells none apart.
        row: what the source's own labels.csv says, which comes before the objects.
        folder: the class that the photo's folder says, which comes before the objects as well.
    """

    name: str
    part: str | None
    has_mask: bool = False
    ignored: bool = False
    objects: tuple[Object, ...] | None = None
    row: Row | None = None
    folder: str | None = None


def own_rows(path: Path, items: Sequence[Item], journal: Journal) -> list[Row | None]:
    """The rows of a labels.csv that lies in the source already, one for each item."""
    if not path.is_file():
        return [None] * len(items)
    stems = Counter(item.name.stem for item in items)
    numbers = {item.name.name: number for number, item in enumerate(items)}
    for number, item in enumerate(items):
        if stems[item.name.stem] == 1:
            numbers[item.name.stem] = number
    about = journal.about(path.name)
    try:
        table = read_labels(path, numbers)
    except DataError as error:
        about.unreadable("a table that is not auxseg's", str(error).removeprefix(f"{path} "))
        journal.take(about)
        return [None] * len(items)
    about.decided("classes, boxes and parts come from the source's own table")
    for problem in table.problems:
        about.unreadable("a row of the source's own table", problem.removeprefix(f"{path} "))
    journal.take(about)
    return [table.rows.get(number) for number in range(len(items))]


def write_table(path: Path, written: Sequence[Written], journal: Journal) -> None:
    """labels.csv, with the columns that the source has something for."""
    labels = [_label(one) for one in written]
    boxes = [_box(one) for one in written]
    parts = _parts(written, journal)
    told = {label for label in labels if label is not None}
    columns: dict[str, list[str]] = {}
    if len(told) > 1:
        columns["label"] = [label or "" for label in labels]
        several = sum(
            len({o.name for o in one.objects}) > 1
            for one, label in zip(written, labels, strict=True)
            if one.objects and label is None
        )
        if several:
            journal.left_out(
                "the class of a photo: it holds things of several", f"{several} photos"
            )
    elif told:
        journal.left_out(f"a column of classes: all photos are of {told.pop()!r}")
    if any(box is not None for box in boxes):
        for number, column in enumerate(BOX_COLUMNS):
            columns[column] = ["" if box is None else f"{box[number]:g}" for box in boxes]
        more = sum(len(one.objects) > 1 for one in written if one.objects)
        if more:
            journal.left_out("the box of a photo: it holds several things", f"{more} photos")
    if parts is not None:
        columns["split"] = parts
    if not columns:
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", *columns])
        table.writerows(
            [one.name, *(cells[number] for cells in columns.values())]
            for number, one in enumerate(written)
        )


def _label(one: Written) -> str | None:
    """The class of all things in a photo; None where there are none or several."""
    if one.row is not None and one.row.label is not None:
        return one.row.label
    if one.folder is not None:
        return one.folder
    names = {found.name for found in one.objects or ()}
    return names.pop() if len(names) == 1 else None


def _box(one: Written) -> tuple[float, float, float, float] | None:
    """The box of the one thing in a photo."""
    if one.row is not None and one.row.box is not None:
        return one.row.box
    return one.objects[0].box if one.objects is not None and len(one.objects) == 1 else None


def _parts(written: Sequence[Written], journal: Journal) -> list[str] | None:
    """The part of each photo; None where the source does not divide its photos."""
    masks = Counter(one.part for one in written if one.has_mask)
    if not masks["train"] or not (masks["val"] or masks["test"]):
        named = [part for part in PARTS if masks[part]]
        if named:
            journal.left_out(f"the parts: the source has {' and '.join(named)} alone")
        return None
    parts = [one.part or "train" for one in written]
    unnamed = sum(one.part is None for one in written)
    if unnamed:
        journal.decided("photos of no part go to train", f"{unnamed} photos")
    if not masks["val"]:
        trained = [
            number
            for number, one in enumerate(written)
            if one.has_mask and parts[number] == "train"
        ]
        for number in trained[::_EVERY]:
            parts[number] = "val"
        journal.decided(
            "the source has no part to validate on: taken from train",
            f"every {_EVERY}th photo with a mask, {len(trained[::_EVERY])} of {len(trained)}",
        )
    return parts
