"""Paired differences between systems: intervals over seeds and images, verdicts, seeds needed.

A system is measured as m_r: the target's metric of seed r, pooled over the validation images and
averaged over the last epochs. Systems of one seed share what they have in common (data order,
subset of labels, weights), so differences are taken seed by seed, d_r = m_r − m′_r. Two things vary
from study to study: the seeds, and the images that happen to be there to validate on. The error
of the mean difference has two parts, s²/R with s² the variance of the R differences d_r, and
V_images, the variance of the mean difference over draws of the images with replacement (a
bootstrap; the same images for both systems and every seed). The interval's half width h is

    h² = t(R−1)² s²/R + t(n−1)² V_images

with Student's quantiles t, as each variance is known from so few values only (in the manner of
Cochran and Cox, for two uncertain variances). With one source alone it is Student's interval.
Drawing the few seeds with replacement, too, would be the textbook's bootstrap: of two or three
seeds it makes intervals that are far too narrow (docs/study.md has both, measured).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm as normal
from scipy.stats import t as student_t

#: Chance that any interval of a family misses its true difference.
ALPHA = 0.05
#: Draws of the images.
DRAWS = 2000
#: Chance that the number of seeds suggested is enough.
POWER = 0.8
_POWER_QUANTILE = float(normal.ppf(POWER))
#: More seeds than this are not suggested.
MOST_SEEDS = 1000

HELPS, HURTS, OPEN = "helps", "hurts", "cannot tell yet"


@dataclass(frozen=True)
class Measured:
    """One system, measured with several seeds on the same images.

    Attributes:
        counts: float (R, E, n, S), what each of n images adds to the metric with each seed in each
            of the last E epochs (:meth:`auxseg.tasks.base.Task.counts`).
    """

    counts: np.ndarray

    def metric(self, pool: Pool) -> np.ndarray:
        """m_r, (R,): pooled over the images, then averaged over the epochs."""
        return np.asarray(pool(self.counts.astype(float).sum(axis=2)).mean(axis=1))


#: Sums of counts (…, S) → metric (…), :meth:`auxseg.tasks.base.Task.pool`.
Pool = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Effect:
    """A difference between systems, such that more is better.

    Attributes:
        difference: the mean over seeds.
        seeds: R.
        seed_variance: s², of the differences of single seeds; NaN for one seed.
        image_variance: V_images.
        images: n.
        comparisons: how many intervals are read together; each misses with ALPHA / comparisons.
    """

    difference: float
    seeds: int
    seed_variance: float
    image_variance: float
    images: int
    comparisons: int = 1

    @property
    def half_width(self) -> float:
        """Of the interval; infinite for one seed."""
        return self._half_width(self.seeds)

    @property
    def interval(self) -> tuple[float, float]:
        return self.difference - self.half_width, self.difference + self.half_width

    @property
    def verdict(self) -> str:
        """:data:`HELPS`, :data:`HURTS` or :data:`OPEN`."""
        low, high = self.interval
        return HELPS if low > 0 else HURTS if high < 0 else OPEN

    @property
    def seeds_needed(self) -> int | None:
        """So many seeds would tell with the chance :data:`POWER`, were all what it seems.

        None where seeds alone would not: the images are too few, or it would take more than
        :data:`MOST_SEEDS`.
        """
        if self.seeds < 2:
            return None
        for seeds in range(2, MOST_SEEDS + 1):
            error = math.sqrt(self.seed_variance / seeds + self.image_variance)
            if self._half_width(seeds) + _POWER_QUANTILE * error < abs(self.difference):
                return seeds
        return None

    @property
    def seeds_could_tell(self) -> bool:
        """Whether endlessly many seeds would tell, on these images, with :data:`POWER`."""
        quantile = self._quantile(self.images - 1) + _POWER_QUANTILE
        alone = quantile * math.sqrt(self.image_variance)
        return alone < abs(self.difference)

    def _half_width(self, seeds: int) -> float:
        if seeds < 2 or not math.isfinite(self.seed_variance):
            return math.inf
        return math.sqrt(
            self._quantile(seeds - 1) ** 2 * self.seed_variance / seeds
            + self._quantile(self.images - 1) ** 2 * self.image_variance
        )

    def _quantile(self, freedom: int) -> float:
        return float(student_t.ppf(1 - ALPHA / self.comparisons / 2, max(freedom, 1)))


def effect(
    pool: Pool,
    plus: Sequence[Measured],
    minus: Sequence[Measured],
    *,
    sign: float = 1.0,
    comparisons: int = 1,
    key: int = 0,
) -> Effect:
    """The mean over pairs of systems of (plus − minus), seed by seed.

    Args:
        plus, minus: pairs of systems, all with the same seeds and images; one pair for a plain
            comparison, several for a task's mean effect over the systems that it is added to.
        sign: −1 for a metric of which less is better.
        comparisons: how many effects are read together.
        key: seed of the draws of images.
    """
    differences = np.mean(
        [a.metric(pool) - b.metric(pool) for a, b in zip(plus, minus, strict=True)], axis=0
    )
    seeds, _, images, _ = plus[0].counts.shape
    draws = np.random.default_rng(key).multinomial(images, np.full(images, 1 / images), size=DRAWS)
    drawn = np.mean(
        [
            _over_draws(a, pool, draws) - _over_draws(b, pool, draws)
            for a, b in zip(plus, minus, strict=True)
        ],
        axis=0,
    )
    return Effect(
        difference=sign * float(differences.mean()),
        seeds=seeds,
        seed_variance=float(differences.var(ddof=1)) if seeds > 1 else math.nan,
        image_variance=float(np.nanvar(drawn, ddof=1)),
        images=images,
        comparisons=comparisons,
    )


def _over_draws(system: Measured, pool: Pool, draws: np.ndarray) -> np.ndarray:
    """The metric's mean over seeds and epochs for each draw of images, (draws,)."""
    seeds, epochs, images, size = system.counts.shape
    flat = system.counts.astype(float).transpose(2, 0, 1, 3).reshape(images, -1)
    sums = (draws @ flat).reshape(len(draws), seeds, epochs, size)
    return np.asarray(pool(sums).mean(axis=(1, 2)))
