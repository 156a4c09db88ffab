"""What was found, how sure it is and what would help most, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auxseg.data.checks import Report
from auxseg.experiments.fit.interval import Interval
from auxseg.experiments.fit.plan import LEAST_STEPS
from auxseg.progress import counted

#: A class that is found worse than the average of the others by so much is weak.
WEAK = 0.1
#: IoU that still rises by so much over the last quarter of the training says: more time.
RISING = 0.01
#: A class of such an IoU or less is not found.
LOST = 0.01
#: Things of fewer pixels than a square of this side, at the network's size, are hard to find.
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
        classes: IoU of each class, NaN for one that does not occur; the first is the background.
        curve: validation IoU, one value a validation.
        masks: photos trained on that have a mask.
        steps: of the training.
        size: of the network's pictures.
        stretched: whether whole photos are brought to that size.
        longest_side: of the median photo.
        minutes: that were given.
        alone: the average IoU of masks that hold the first class alone, the background.
        balanced: whether rare classes weigh more already.
    """

    part: str
    photos: int
    iou: Interval
    classes: Mapping[str, float]
    curve: Sequence[float]
    masks: int
    steps: int
    size: int
    stretched: bool
    longest_side: int
    minutes: float = 10.0
    alone: float = 0.0
    balanced: bool = False

    @property
    def lost(self) -> list[str]:
        """Classes that are drawn, and hardly a pixel of which is found."""
        drawn = list(self.classes.items())[1:]
        return [name for name, value in drawn if np.isfinite(value) and value < LOST]


def verdict(found: Found, report: Report) -> list[str]:
    """Sentences: how good, what is weak, what would help most."""
    kind = {"test": "test photo", "val": "validation photo"}[found.part]
    whose = "its" if found.photos == 1 else "their"
    where = f"{counted(found.photos, kind)} at {whose} own size"
    where += {
        "test": ", which training never saw",
        "val": ", by which the best step was chosen: others may be a little worse",
    }[found.part]
    first = f"The masks agree with yours by an average IoU of {found.iou}, on {where}."
    lines = []
    if found.lost:
        only = len(found.lost) == len(found.classes) - 1
        lines.append(
            f"The network does not find {_listed(found.lost)}"
            + (": do not use it." if only else " at all: do not use it for that.")
        )
        first += f" Masks without any thing would reach {found.alone:.3f}."
    if found.iou.known:
        first += (
            " In brackets: the average over very many photos of this kind lies there, 95 times of "
            "100."
        )
    lines.append(first)
    weakest = _weakest(found.classes)
    if weakest is not None:
        name, value = weakest
        measured = f"{_holders(report, name, found.part)} of these photos"
        trained = _holders(report, name, "train")
        lines.append(
            f"Weakest class: {name}, IoU {value:.3f}; it is in {measured}, and in {trained} that "
            "were trained on."
        )
    lines += [f"{first} {one}" for first, one in zip(_ORDER, advice(found, report), strict=False)]
    return lines


_ORDER = ("What would help most:", "Next:", "Then:")


def advice(found: Found, report: Report) -> list[str]:
    """What to do next, in the order of what it is likely to be worth (docs/fit.md)."""
    lines = []
    if found.lost and not found.balanced:
        lines.append(
            f"weights for rare classes: {_listed(found.lost)} takes few pixels; fit again with "
            "--tasks.options.segmentation.class_weights balanced and another --out."
        )
    if found.steps < LEAST_STEPS or _rises(found.curve) or found.lost:
        lines.append(
            "more time: the network was still learning; fit again with "
            f"--minutes {2 * found.minutes:g} and another --out."
        )
    weakest = _weakest(found.classes)
    drawn = list(found.classes)[1:]
    others = [found.classes[name] for name in drawn if weakest and name != weakest[0]]
    known = [value for value in others if np.isfinite(value)]
    if weakest and known and np.mean(known) - weakest[1] >= WEAK:
        lines.append(f"more masks with {weakest[0]}.")
    elif found.masks <= FEW_MASKS and not found.lost:
        lines.append(f"more masks: {found.masks} were trained on.")
    side = _small_side(report, found.size)
    larger = found.size < found.longest_side
    if found.stretched and larger and side is not None and side < SMALL:
        lines.append(
            f"a larger size: in half of the masks the smallest thing has less than {SMALL} × "
            f"{SMALL} pixels at {found.size} × {found.size}; give a larger --image-size, or --fit "
            "tile."
        )
    if found.photos <= FEW_PHOTOS:
        lines.append(
            f"more masks to measure on: {counted(found.photos, 'photo')} cannot tell much, "
            "whatever the network is."
        )
    return lines or ["nothing stands out: masks are many, and training has come to its end."]


def _rises(curve: Sequence[float]) -> bool:
    """Whether validation IoU was higher in the last quarter than in the one before."""
    quarter = max(1, len(curve) // 4)
    if len(curve) < 3:
        return False
    last, before = curve[-quarter:], curve[-2 * quarter : -quarter]
    return bool(np.mean(last) - np.mean(before) >= RISING)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _weakest(classes: Mapping[str, float]) -> tuple[str, float] | None:
    """Of the classes that are drawn: the first one is the background."""
    known = {name: one for name, one in list(classes.items())[1:] if np.isfinite(one)}
    if not known:
        return None
    name = min(known, key=known.__getitem__)
    return name, known[name]


def _holders(report: Report, name: str, part: str) -> int:
    """How many photos of a part have a mask that holds a class."""
    number = report.dataset.mask_classes.index(name)
    own = [report.findings[one] for one in getattr(report.split, part)]
    drawn = [one.pixels for one in own if one.pixels is not None]
    return sum(bool(pixels[number]) for pixels in drawn)


def _small_side(report: Report, size: int) -> float | None:
    """The median, over masks, of the smallest thing's side at the network's size."""
    sides = [
        size * (one.smallest.pixels / (one.size[0] * one.size[1])) ** 0.5
        for one in report.findings
        if one.smallest is not None and one.size is not None
    ]
    return float(np.median(sides)) if sides else None
