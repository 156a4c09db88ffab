"""What was found, how sure it is and what would help most, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auxseg.data.checks import Report
from auxseg.experiments.fit.interval import Interval

#: A class that is found worse than the average of the others by so much is weak.
WEAK = 0.1
#: IoU that still rises by so much over the last quarter of the training says: more time.
RISING = 0.01
#: Things of fewer pixels than this a side, at the network's size, are too small to be found well.
SMALL = 8
#: So many photos to measure on, or fewer, tell little.
FEW_PHOTOS = 20
#: So many masks to train on, or fewer, are few.
FEW_MASKS = 100


@dataclass(frozen=True)
class Found:
    """What training left.

    Attributes:
        part: val or test: the photos that it was measured on.
        photos: how many of them have a mask.
        iou: at the photos' own size.
        classes: IoU of each class, NaN for one that does not occur.
        curve: validation IoU, one value a validation.
        masks: photos trained on that have a mask.
        size: of the network's pictures.
    """

    part: str
    photos: int
    iou: Interval
    classes: Mapping[str, float]
    curve: Sequence[float]
    masks: int
    size: int


def verdict(found: Found, report: Report) -> list[str]:
    """Sentences: how good, what is weak, what would help most."""
    where = "test photos, which training never saw"
    if found.part == "val":
        where = "validation photos, by which the best step was chosen: others may be a little worse"
    lines = [
        f"The masks agree with yours by an average IoU of {found.iou}, on {found.photos} {where}. "
        "In brackets: where it is expected on other photos like these, 95 times of 100."
    ]
    weakest = _weakest(found.classes, report)
    if weakest is not None:
        name, value = weakest
        count = _holders(report, name)
        holders = "1 photo holds" if count == 1 else f"{count} photos hold"
        lines.append(f"Weakest class: {name}, IoU {value:.3f}; {holders} it.")
    lines += [f"{first} {one}" for first, one in zip(_ORDER, advice(found, report), strict=False)]
    return lines


_ORDER = ("What would help most:", "Next:", "Then:")


def advice(found: Found, report: Report) -> list[str]:
    """What to do next, in the order of what it is likely to be worth (docs/fit.md)."""
    lines = []
    weakest = _weakest(found.classes, report)
    others = [value for name, value in found.classes.items() if weakest and name != weakest[0]]
    if weakest and np.nanmean(others) - weakest[1] >= WEAK:
        lines.append(f"more masks with {weakest[0]}.")
    elif found.masks <= FEW_MASKS:
        lines.append(f"more masks: {found.masks} were trained on.")
    quarter = max(1, len(found.curve) // 4)
    if len(found.curve) > 2 * quarter:
        last, before = found.curve[-quarter:], found.curve[-2 * quarter : -quarter]
        if np.mean(last) - np.mean(before) >= RISING:
            lines.append("more time: the network was still getting better; give more --minutes.")
    side = _small_side(report, found.size)
    if side is not None and side < SMALL:
        lines.append(
            f"a larger size: half of the smallest things are {side:.0f} pixels wide or less at "
            f"{found.size} × {found.size}; give a larger --image-size, or --fit tile."
        )
    if found.photos <= FEW_PHOTOS:
        lines.append(
            f"more masks to measure on: {found.photos} photos leave a wide interval, whatever the "
            "network is."
        )
    return lines or ["nothing stands out: masks are many, and training has come to its end."]


def _weakest(classes: Mapping[str, float], report: Report) -> tuple[str, float] | None:
    """Of the classes that are drawn: the first one is the background."""
    background = report.dataset.mask_classes[0]
    known = {name: one for name, one in classes.items() if np.isfinite(one) and name != background}
    if not known:
        return None
    name = min(known, key=known.__getitem__)
    return name, known[name]


def _holders(report: Report, name: str) -> int:
    number = report.dataset.mask_classes.index(name)
    return sum(one.pixels is not None and one.pixels[number] > 0 for one in report.findings)


def _small_side(report: Report, size: int) -> float | None:
    """The median, over masks, of the smallest thing's side at the network's size."""
    sides = [
        size * (one.smallest.pixels / (one.size[0] * one.size[1])) ** 0.5
        for one in report.findings
        if one.smallest is not None and one.size is not None
    ]
    return float(np.median(sides)) if sides else None
