"""The page of ``auxseg data check --html``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auxseg.data.checks import Report
from auxseg.report.dataset.sheets import Tile, sheet
from auxseg.report.dataset.tables import class_table, part_table, size_table
from auxseg.report.dataset.worth_seeing import (
    look_alikes,
    rarest_classes,
    smallest_things,
    spread_out,
    unlike_others,
)
from auxseg.report.html import Section, write_page


def write_dataset_page(path: Path, report: Report, title: str) -> None:
    """Writes one self-contained HTML file.

    Args:
        report: of a folder that holds at least one readable image.

    Raises:
        DataError: the file cannot be written.
    """
    sections = [
        Section(
            "What is there",
            tables=[one for one in (part_table(report), size_table(report)) if len(one) > 1],
        ),
        _lines("Problems: to mend before training", report.problems, "No problems."),
        _lines("Notes: what you may not expect", report.notes, "None."),
        *_classes(report),
        _photos(
            "Photos: at equal distances",
            "Everything that is labelled is drawn: the mask in its classes' colours, the box.",
            spread_out(report),
            report,
        ),
        _photos(
            "Rare classes: photos that hold them",
            "The classes that the fewest photos hold; of each, the photos with most of it. Few "
            "examples mean little to learn from and an IoU that chance decides.",
            rarest_classes(report),
            report,
        ),
        _photos(
            "Small things: the smallest piece of each mask",
            "Pixels of one class that hang together, with some of what is around. Pieces of a few "
            "pixels are often slips of the brush; real things of that size need a larger "
            "--image-size, or --fit tile.",
            smallest_things(report),
            report,
        ),
        _photos(
            "Unlike the others: masks to check first",
            "By the share of pixels that would have to change their class for the average layout "
            "of all masks. Swapped classes, inverted masks and masks of another photo stand out; "
            "so do photos that are merely unusual.",
            unlike_others(report),
            report,
        ),
        _photos(
            "Look-alikes: the same photo, or the same moment",
            "Pairs with the part that each is in, those in two parts first. A photo to test on "
            "that is also trained on makes every metric look better than it is.",
            look_alikes(report),
            report,
        ),
    ]
    write_page(path, title, [one for one in sections if one is not None], figures=False)


def _lines(title: str, lines: Sequence[str], none: str) -> Section:
    return Section(title, text=list(lines) or [none])


def _classes(report: Report) -> list[Section]:
    rows = class_table(report)
    if len(rows) == 1:
        return []
    text = (
        "Photos that hold the class and its share of all labelled pixels, in all and in each part "
        "(of pixels that are not labelled: of all). "
        "A class that a part lacks cannot be learned, chosen by or tested there."
    )
    return [Section("Classes: how much there is of each", [text], tables=[rows])]


def _photos(title: str, text: str, tiles: Sequence[Tile], report: Report) -> Section | None:
    if not tiles:
        return None
    name = title.split(":")[0].lower().replace(" ", "-")
    return Section(title, [text], figures={name: sheet(report.dataset, tiles)})
