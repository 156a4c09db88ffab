"""The interval of IoU holds the truth as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import t as student_t
from torchmetrics.functional import jaccard_index

from auxseg.experiments.fit.interval import jackknife, mean_iou


def confusion(draw: np.random.Generator, hardness: float) -> np.ndarray:
    """Two classes, 1,000 pixels; photos differ in what they hold and in how hard they are."""
    thing = draw.uniform(0.1, 0.7)
    error = np.clip(draw.normal(hardness, 0.07), 0.01, 0.6)
    inside = round(1000 * thing)
    missed, false = round(inside * error), round((1000 - inside) * error / 2)
    return np.array([[1000 - inside - false, false], [missed, inside - missed]])


def test_the_mean_is_that_of_torchmetrics() -> None:
    draw = np.random.default_rng(0)
    truth, found = draw.integers(0, 3, 500), draw.integers(0, 3, 500)
    counts = np.zeros((5, 5), int)
    np.add.at(counts, (truth, found), 1)
    pair = torch.from_numpy(found), torch.from_numpy(truth)
    expected = float(jaccard_index(*pair, task="multiclass", num_classes=3))
    assert mean_iou(counts) == pytest.approx(expected)


@pytest.mark.parametrize("photos", [5, 10, 40])
def test_it_holds_the_truth(photos: int) -> None:
    """Of 400 draws from a population whose IoU is known, at least 90 %; asked are 95 %."""
    draw = np.random.default_rng(photos)
    population = [confusion(draw, 0.12) for _ in range(4000)]
    truth = mean_iou(np.sum(population, axis=0))
    held = 0
    for _ in range(400):
        found = jackknife([population[n] for n in draw.choice(4000, photos, replace=False)])
        held += found.low <= truth <= found.high
    assert held / 400 >= 0.9


def test_equal_photos_leave_no_doubt_and_one_leaves_all() -> None:
    one = np.array([[80, 5], [5, 10]])
    same = jackknife([one] * 4)
    assert same.low == pytest.approx(same.high)
    alone = jackknife([one])
    assert alone.value == pytest.approx(same.value)
    assert math.isnan(alone.low)
    assert "one photo" in str(alone)


def test_two_photos_by_hand() -> None:
    """IoU without each is that of the other; the error is half of their difference."""
    a, b = np.array([[90, 0], [5, 5]]), np.array([[80, 5], [0, 15]])
    found = jackknife([a, b])
    half = student_t.ppf(0.975, 1) * abs(mean_iou(a) - mean_iou(b)) / 2
    assert found.low == pytest.approx(max(0, found.value - half))
    assert found.high == pytest.approx(min(1, found.value + half))
