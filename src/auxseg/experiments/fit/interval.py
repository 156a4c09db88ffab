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
    """An IoU, average over classes, and its interval; NaN bounds for a single photo."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f} (one photo: no interval)"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def mean_iou(counts: np.ndarray) -> float:
    """The average IoU of classes that occur in truth or prediction.

    Args:
        counts: (K, K), row: the truth, column: the prediction.
    """
    hits = np.diag(counts).astype(float)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    return float((hits[union > 0] / union[union > 0]).mean())


def jackknife(photos: Sequence[np.ndarray]) -> Interval:
    """The pooled IoU of photos and its 95 % interval, within 0 and 1.

    Args:
        photos: each one's confusion, (K, K).
    """
    whole = np.sum(photos, axis=0)
    value, count = mean_iou(whole), len(photos)
    if count < 2:
        return Interval(value, math.nan, math.nan)
    without = np.array([mean_iou(whole - one) for one in photos])
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    half = float(student_t.ppf(1 - ALPHA / 2, count - 1)) * error
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
