"""How often the study's intervals say "helps" or "hurts" where nothing does either (slow).

The simulated part prints the table that docs/study.md quotes:
``pytest -m slow -s tests/study/test_calibration.py``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auxseg.api import configure
from auxseg.config import Config
from auxseg.experiments.study import statistics
from auxseg.experiments.study.statistics import ALPHA, HELPS, HURTS, OPEN, Measured, effect
from auxseg.runs.directory import RunDirectory
from auxseg.tasks.segmentation import Segmentation
from auxseg.training.fit import train
from auxseg.types import ClassNames

pytestmark = pytest.mark.slow

TASK = Segmentation(ClassNames(("background", "animal"), ()))
PIXELS = 4096
#: Studies per setting, and further draws of the interval of the textbook.
STUDIES, RESAMPLED = 600, 400


def null_systems(
    draw: np.random.Generator, seeds: int, images: int, spread: tuple[float, float, float]
) -> list[Measured]:
    """Two systems of which neither is better, as confusion counts of two classes.

    Args:
        spread: standard deviation of the IoU over seeds, over images (each system has images that
            suit it), and over both.
    """
    area = draw.uniform(200, 2500, images)
    level = draw.normal(0.6, 0.1, images)
    systems = []
    for _ in range(2):
        quality = (
            level
            + draw.normal(0, spread[0], (seeds, 1))
            + draw.normal(0, spread[1], images)
            + draw.normal(0, spread[2], (seeds, images))
        ).clip(0.02, 0.98)
        # Found and true area alike: IoU q means an overlap of 2q/(1+q) of the area.
        overlap = area * 2 * quality / (1 + quality)
        union = 2 * area - overlap
        counts = np.stack([PIXELS - union, PIXELS - overlap, overlap, union], axis=-1)
        systems.append(Measured(counts[:, None]))
    return systems


def textbook_excludes_zero(a: Measured, b: Measured, draw: np.random.Generator) -> bool:
    """The percentile interval of seeds and images drawn with replacement."""
    seeds, _, images, _ = a.counts.shape
    found = []
    for _ in range(RESAMPLED):
        chosen = draw.integers(0, seeds, seeds)
        weights = np.bincount(draw.integers(0, images, images), minlength=images)
        metric = [TASK.pool(np.einsum("n,rns->rs", weights, s.counts[chosen, 0])) for s in (a, b)]
        found.append(float((metric[0] - metric[1]).mean()))
    low, high = np.percentile(found, [2.5, 97.5])
    return bool(low > 0 or high < 0)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("images", [30, 200])
@pytest.mark.parametrize("spread", [(0.02, 0.0, 0.1), (0.02, 0.05, 0.1), (0.03, 0.1, 0.1)])
def test_false_verdicts_stay_below_their_rate(
    seeds: int,
    images: int,
    spread: tuple[float, float, float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(statistics, "DRAWS", 400)
    draw = np.random.default_rng((seeds, images, *(round(100 * one) for one in spread)))
    false = {HELPS: 0, HURTS: 0, OPEN: 0}
    textbook = 0
    for number in range(STUDIES):
        a, b = null_systems(draw, seeds, images, spread)
        false[effect(TASK.pool, [a], [b], key=number).verdict] += 1
        textbook += textbook_excludes_zero(a, b, draw) if number < STUDIES // 3 else 0
    with capsys.disabled():
        rates = f"helps {false[HELPS] / STUDIES:.3f}, hurts {false[HURTS] / STUDIES:.3f}"
        print(f"\n{seeds} seeds, {images} images, {spread}: {rates}; ", end="")
        print(f"textbook, either: {textbook / (STUDIES // 3):.3f}")
    # Three standard errors of a rate of ALPHA / 2.
    most = ALPHA / 2 + 3 * (ALPHA / 2 * (1 - ALPHA / 2) / STUDIES) ** 0.5
    assert false[HELPS] / STUDIES <= most
    assert false[HURTS] / STUDIES <= most


def test_a_real_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval is not merely wide: 0.05 is found among seeds that scatter by 0.02."""
    monkeypatch.setattr(statistics, "DRAWS", 400)
    draw = np.random.default_rng(0)
    found = 0
    for number in range(100):
        a, b = null_systems(draw, 5, 100, (0.02, 0.0, 0.05))
        better = a.counts.copy()
        gain = 0.05 * better[..., 3]
        better[..., 2] += gain
        better[..., 1] -= gain
        found += effect(TASK.pool, [Measured(better)], [b], key=number).verdict == HELPS
    assert found >= 60


def tiny(seed: int) -> Config:
    config = configure(
        "segnet-1task",
        weights="none",
        width=0.0625,
        image_size=32,
        epochs=8,
        batch_size=10,
        seed=seed,
        accelerator="cpu",
        **{"data.options": {"train": 100, "val": 50, "test": 1}, "training.lr": 1e-2},
    )
    return replace(config, preset="null")


def test_identical_systems_are_seldom_told_apart(tmp_path: Path) -> None:
    """20 comparisons of one system with itself, three seeds a side, no seed used twice."""
    seeds = 3
    effects = []
    for comparison in range(20):
        sides = []
        for side in range(2):
            first = 1000 + seeds * (2 * comparison + side)
            counts = []
            for seed in range(first, first + seeds):
                train(tiny(seed), tmp_path / str(seed), quiet=True)
                found = RunDirectory(tmp_path / str(seed)).read_validation()
                assert found is not None
                counts.append(found.counts[-1:])
            sides.append(Measured(np.stack(counts)))
        effects.append(effect(TASK.pool, [sides[0]], [sides[1]]))
        print(f"{effects[-1].difference:+.3f} {effects[-1].interval} {effects[-1].verdict}")
    assert sum(one.verdict != OPEN for one in effects) <= 3
    # Seeds make a difference: a network that learned nothing would be the same with each.
    assert np.median([abs(one.difference) for one in effects]) > 0.002
