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


def test_photos_that_tell_no_interval() -> None:
    """One, several that are alike, or none with a labelled pixel: NaN, and never 0 to 1."""
    one, empty = np.array([[80, 5], [5, 10]]), np.zeros((2, 2), int)
    for photos in ([one], [one] * 4, [one, empty]):
        found = jackknife(photos)
        assert found.value == pytest.approx(mean_iou(one))
        assert math.isnan(found.low)
        assert "no interval" in str(found)
    assert math.isnan(jackknife([empty, empty]).value)


@pytest.mark.parametrize("photos", [6, 10, 30])
def test_a_class_that_few_photos_hold(photos: int) -> None:
    """In a tenth of the photos: the interval is wide, and holds the truth in 80 % of the draws."""
    draw = np.random.default_rng(photos)
    population = []
    for _ in range(4000):
        counts = np.zeros((3, 3), int)
        counts[:2, :2] = confusion(draw, 0.12)
        if draw.random() < 0.1:
            missed = round(100 * float(np.clip(draw.normal(0.4, 0.15), 0, 1)))
            counts[2, 2], counts[2, 0] = 100 - missed, missed
        population.append(counts)
    truth, held = mean_iou(np.sum(population, axis=0)), 0
    for _ in range(300):
        chosen = [population[n] for n in draw.choice(4000, photos, replace=False)]
        if not any(one[2].any() for one in chosen):
            held += 1  # nothing is said of a class that is not there
            continue
        found = jackknife(chosen)
        held += found.low <= truth <= found.high
    assert held / 300 >= 0.8


def test_two_photos_by_hand() -> None:
    """IoU without each is that of the other; the error is half of their difference."""
    a, b = np.array([[90, 0], [5, 5]]), np.array([[80, 5], [0, 15]])
    found = jackknife([a, b])
    half = student_t.ppf(0.975, 1) * abs(mean_iou(a) - mean_iou(b)) / 2
    assert found.low == pytest.approx(max(0, found.value - half))
    assert found.high == pytest.approx(min(1, found.value + half))
