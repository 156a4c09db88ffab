"""How far the IoU that was measured on some photos may be from that on others of their kind.

The photos are taken for a random draw. IoU is pooled over them, so its error is estimated by the
jackknife (Efron, *The Jackknife, the Bootstrap and Other Resampling Plans*, 1982): the IoU without
each photo in turn. The interval uses Student's t with one degree of freedom less than there are
photos. What it does not hold: the chance of the seed, and other kinds of photos.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

#: The interval misses with this chance.
ALPHA = 0.05


@dataclass(frozen=True)
class Interval:
    """An IoU, average over classes, and its interval; NaN bounds where the photos do not tell one:
    a single photo, or photos that are all alike."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return math.isfinite(self.low)

    def __str__(self) -> str:
        if not self.known:
            return f"{self.value:.3f} (no interval: the photos are too few, or all alike)"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def mean_iou(counts: np.ndarray) -> float:
    """The average IoU of classes that occur in truth or prediction; NaN if none does.

    Args:
        counts: (K, K), row: the truth, column: the prediction.
    """
    hits, union = _hits_and_union(counts)
    return float((hits[union > 0] / union[union > 0]).mean()) if union.any() else math.nan


def _hits_and_union(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits = np.diag(counts).astype(float)
    return hits, counts.sum(axis=0) + counts.sum(axis=1) - hits


def jackknife(photos: Sequence[np.ndarray]) -> Interval:
    """The pooled IoU of photos and its 95 % interval, within 0 and 1.

    A class that a single photo holds says nothing of others: without that photo its IoU may be
    anything, and what differs most is taken, so that the interval is wide.

    Args:
        photos: each one's confusion, (K, K); those without a labelled pixel do not count.
    """
    photos = [one for one in photos if one.any()]
    whole = np.sum(photos, axis=0) if photos else np.zeros((1, 1))
    value, count = mean_iou(whole), len(photos)
    if count < 2:
        return Interval(value, math.nan, math.nan)
    hits, union = _hits_and_union(whole)
    there = union > 0
    unknown = np.where(hits / np.maximum(union, 1) >= 0.5, 0.0, 1.0)
    without = []
    for one in photos:
        left, rest = (a - b for a, b in zip((hits, union), _hits_and_union(one), strict=True))
        without.append(np.where(rest > 0, left / np.maximum(rest, 1), unknown)[there].mean())
    spread = np.array(without) - np.mean(without)
    error = math.sqrt((count - 1) / count * float((spread**2).sum()))
    if error == 0:
        return Interval(value, math.nan, math.nan)
    half = float(student_t.ppf(1 - ALPHA / 2, count - 1)) * error
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
