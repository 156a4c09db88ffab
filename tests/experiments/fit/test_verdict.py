"""What is said of a run, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxseg.data.base import Split
from auxseg.data.checks import Report
from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.findings import Finding, Thing
from auxseg.experiments.fit.interval import Interval
from auxseg.experiments.fit.verdict import Found, advice, verdict


@pytest.fixture
def report() -> Report:
    """Four photos of 100 × 100, classes ground, leaf and bug; one holds a bug of 16 pixels."""
    dataset = Shapes(train=2, val=1, test=1)
    dataset.mask_classes = ("ground", "leaf", "bug")
    pixels = [np.bincount([0, 1, *([2] * (n == 3))], minlength=256) for n in range(4)]
    things = [Thing(1, 2500, (0, 0, 50, 50))] * 3 + [Thing(2, 16, (0, 0, 4, 4))]
    findings = [Finding(size=(100, 100), pixels=pixels[n], smallest=things[n]) for n in range(4)]
    return Report(dataset, Split((0, 1), (2,), (3,)), findings, {}, (), ())


def found(**changes: Any) -> Found:
    sound: dict[str, Any] = {
        "part": "test",
        "photos": 100,
        "iou": Interval(0.8, 0.75, 0.85),
        "masks": 300,
        "classes": {"ground": 0.9, "leaf": 0.8, "bug": 0.78},
        "curve": [0.8] * 8,
        "size": 224,
        "steps": 600,
        "stretched": True,
        "longest_side": 500,
    }
    return Found(**{**sound, **changes})


def test_what_was_reached(report: Report) -> None:
    first, weakest, last = verdict(found(), report)
    assert (
        "0.800 (0.750 to 0.850), on 100 test photos at their own size, which training never saw"
        in first
    )
    assert weakest == (
        "Weakest class: bug, IoU 0.780; it is in 1 of these photos, and in 0 that were trained on."
    )
    assert "nothing stands out" in last
    first, *_ = verdict(found(part="val"), report)
    assert "validation photos" in first
    assert "a little worse" in first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": {"ground": 0.9, "leaf": 0.8, "bug": 0.2}}, ["more masks with bug"]),
        ({"masks": 30}, ["more masks: 30 were trained on"]),
        ({"curve": [0.5, 0.6, 0.7, 0.72, 0.75, 0.76, 0.78, 0.79]}, ["more time"]),
        ({"steps": 40}, ["more time"]),
        ({"classes": {"ground": 0.9, "leaf": 0.2}}, ["nothing stands out"]),
        ({"size": 12}, ["a larger size"]),
        ({"size": 12, "stretched": False}, ["nothing stands out"]),
        ({"size": 12, "longest_side": 12}, ["nothing stands out"]),
        ({"photos": 10}, ["more masks to measure on: 10 photos"]),
        ({"masks": 30, "photos": 10}, ["more masks: 30", "more masks to measure on"]),
    ],
)
def test_what_would_help(changes: dict[str, Any], words: list[str], report: Report) -> None:
    lines = advice(found(**changes), report)
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert line.startswith(word)


def test_one_photo_is_one_photo(report: Report) -> None:
    lines = verdict(found(photos=1, iou=Interval(0.5, float("nan"), float("nan"))), report)
    assert "no interval" in lines[0]
    assert "on 1 test photo at its own size, which" in lines[0]
    assert "95 times" not in lines[0]


def test_the_background_is_no_weak_class(report: Report) -> None:
    lines = verdict(found(classes={"ground": 0.1, "leaf": 0.8, "bug": float("nan")}), report)
    assert lines[1].startswith("Weakest class: leaf")
    assert not any("more masks with" in line for line in lines)


def test_a_class_that_is_not_found_comes_first(report: Report) -> None:
    """An average of 0.487 with an interval of ±0.005 looks like half of a success."""
    lost = found(
        classes={"ground": 0.974, "leaf": 0.0}, iou=Interval(0.487, 0.482, 0.492), alone=0.487
    )
    lines = verdict(lost, report)
    assert lines[0] == "The network does not find leaf: do not use it."
    assert "Masks without any thing would reach 0.487." in lines[1]
    assert "class_weights balanced" in lines[3]
    assert "--minutes 20" in lines[4]
    assert not any("nothing stands out" in line for line in lines)
    some = found(classes={"ground": 0.974, "leaf": 0.7, "bug": 0.004})
    assert verdict(some, report)[0] == (
        "The network does not find bug at all: do not use it for that."
    )
