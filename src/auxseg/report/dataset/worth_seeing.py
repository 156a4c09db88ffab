"""Which photos of a data set a person should look at before training."""

from __future__ import annotations

import numpy as np

from auxseg.data.base import PARTS
from auxseg.data.checks import Report
from auxseg.data.findings import unlike
from auxseg.data.likeness import groups, nearest
from auxseg.report.dataset.sheets import Tile
from auxseg.report.gallery import spread

#: Photos of a sheet.
_COUNT = 12
#: Classes that are shown as rare, and photos of each.
_RARE, _OF_EACH = 3, 4
#: Around a small thing so many times its size is shown, and at least so many pixels.
_AROUND, _LEAST = 4, 48


def spread_out(report: Report) -> list[Tile]:
    """Photos at equal distances, those with a mask where there are any."""
    readable = [n for n, one in enumerate(report.findings) if one.size is not None]
    masked = [n for n in readable if report.findings[n].pixels is not None]
    chosen = spread(masked or readable, _COUNT) if readable else []
    return [Tile(number, _with_part(report, number)) for number in chosen]


def rarest_classes(report: Report) -> list[Tile]:
    """Of the classes that fewest photos hold, the photos that hold most of them."""
    pixels = {n: one.pixels for n, one in enumerate(report.findings) if one.pixels is not None}
    names = report.dataset.mask_classes
    if len(names) < 3:
        return []  # of background and one class none is rare
    holders = {
        number: [n for n, found in pixels.items() if found[number]] for number in range(len(names))
    }
    rare = sorted((n for n in holders if holders[n]), key=lambda n: len(holders[n]))[:_RARE]
    tiles = []
    for number in rare:
        most = sorted(holders[number], key=lambda n: -int(pixels[n][number]))[:_OF_EACH]
        text = f"{names[number]}: in {len(holders[number])} photos"
        tiles += [Tile(n, text) for n in most]
    return tiles


def smallest_things(report: Report) -> list[Tile]:
    """The smallest piece of each mask, the smallest of all first."""
    found = [(n, one.smallest) for n, one in enumerate(report.findings) if one.smallest is not None]
    found.sort(key=lambda one: one[1].pixels)
    tiles = []
    for number, thing in found[:_COUNT]:
        left, top, width, height = thing.box
        side = max(_LEAST, _AROUND * max(width, height))
        x, y = left + width / 2 - side / 2, top + height / 2 - side / 2
        name = report.dataset.mask_classes[thing.number]
        text = f"{name}: {thing.pixels} pixel{'s' * (thing.pixels > 1)}"
        tiles.append(Tile(number, text, (int(x), int(y), int(side)), thing.box))
    return tiles


def unlike_others(report: Report) -> list[Tile]:
    """Masks whose layout differs most from the average one."""
    apart = unlike(report.findings)
    if len(apart) < 3:
        return []
    worst = sorted(apart, key=lambda number: -apart[number])[:_COUNT]
    middle = float(np.median(list(apart.values())))
    return [Tile(n, f"{apart[n]:.0%} (median {middle:.0%})") for n in worst]


def look_alikes(report: Report) -> list[Tile]:
    """Pairs of photos, side by side, those of two parts first."""
    prints = {n: one.print for n, one in enumerate(report.findings) if one.size is not None}
    of_part = {
        part: {n: prints[n] for n in getattr(report.split, part) if n in prints} for part in PARTS
    }
    across = [
        pair
        for one, other in (("test", "train"), ("val", "train"), ("test", "val"))
        for pair in nearest(of_part[one], of_part[other]).items()
    ]
    # Of a group of a hundred frames one pair is enough to see.
    told = {number for pair in across for number in pair}
    within = [(one, other) for one, other, *_ in groups(prints) if not {one, other} & told]
    shown = [*across, *within][: _COUNT // 2]
    return [Tile(number, _with_part(report, number)) for pair in shown for number in pair]


def _part(report: Report, number: int) -> str:
    return next((part for part in PARTS if number in getattr(report.split, part)), "no part")


def _with_part(report: Report, number: int) -> str:
    return f"in {_part(report, number)}"
