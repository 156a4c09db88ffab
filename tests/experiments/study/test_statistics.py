"""Effects, intervals and verdicts against numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from auxseg.experiments.study.statistics import HELPS, HURTS, OPEN, Effect, Measured, effect


def mean_pool(counts: np.ndarray) -> np.ndarray:
    """A metric that is the mean over images: counts hold (value, 1)."""
    return np.asarray(counts[..., 0] / counts[..., 1])


def measured(values: np.ndarray) -> Measured:
    """Per-image scores (R, E, n) of a metric that is their mean."""
    return Measured(np.stack([values, np.ones_like(values)], axis=-1))


def an_effect(difference: float = 0.1, **changes: float) -> Effect:
    settings = {"seeds": 4, "seed_variance": 0.0004, "image_variance": 0.0, "images": 50}
    return Effect(difference, **{**settings, **changes})  # type: ignore[arg-type]


def test_the_metric_is_pooled_over_images_then_averaged_over_epochs() -> None:
    counts = np.array([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.0, 4.0]]]])
    # Epoch 1: (1 + 3) / (2 + 4); epoch 2: (1 + 0) / (1 + 4).
    assert Measured(counts).metric(mean_pool) == pytest.approx([(4 / 6 + 1 / 5) / 2])


def test_difference_and_variance_over_seeds_by_hand() -> None:
    """m = (0.5, 0.7) against (0.4, 0.3): differences 0.1 and 0.4."""
    plus = measured(np.array([[[0.4, 0.6]], [[0.7, 0.7]]]))
    minus = measured(np.array([[[0.4, 0.4]], [[0.1, 0.5]]]))
    found = effect(mean_pool, [plus], [minus])
    assert found.difference == pytest.approx(0.25)
    assert found.seed_variance == pytest.approx(0.045)
    assert (found.seeds, found.images) == (2, 2)


def test_less_is_better_turns_the_sign() -> None:
    plus, minus = measured(np.full((2, 1, 3), 5.0)), measured(np.full((2, 1, 3), 3.0))
    assert effect(mean_pool, [plus], [minus], sign=-1.0).difference == pytest.approx(-2.0)


def test_the_variance_over_images_is_that_of_a_mean() -> None:
    """For a mean over n images, draws with replacement vary by σ²/n, σ² of the n differences."""
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 3, 2, 40))
    found = effect(mean_pool, [measured(a)], [measured(b)])
    differences = (a - b).mean(axis=(0, 1))
    assert found.image_variance == pytest.approx(differences.var() / 40, rel=0.1)


def test_images_that_both_systems_see_alike_do_not_count() -> None:
    """Hard images are hard for both: only what differs between the systems varies."""
    hard = np.random.default_rng(0).normal(size=(3, 1, 40))
    found = effect(mean_pool, [measured(hard + 0.2)], [measured(hard)])
    assert found.image_variance == pytest.approx(0.0, abs=1e-12)
    assert found.seed_variance == pytest.approx(0.0, abs=1e-12)


def test_several_pairs_give_their_mean() -> None:
    one, two, zero = (measured(np.full((2, 1, 3), value)) for value in (1.0, 2.0, 0.0))
    assert effect(mean_pool, [one, two], [zero, zero]).difference == pytest.approx(1.5)


def test_the_interval_of_seeds_alone_is_students() -> None:
    low, high = an_effect().interval
    half = student_t.ppf(0.975, 3) * math.sqrt(0.0004 / 4)
    assert (low, high) == pytest.approx((0.1 - half, 0.1 + half))


def test_both_sources_add_up_in_squares() -> None:
    found = an_effect(image_variance=0.0009)
    seeds = student_t.ppf(0.975, 3) * math.sqrt(0.0004 / 4)
    images = student_t.ppf(0.975, 49) * 0.03
    assert found.half_width == pytest.approx(math.hypot(seeds, images))


def test_more_comparisons_make_intervals_wider() -> None:
    half = student_t.ppf(1 - 0.05 / 20, 3) * math.sqrt(0.0004 / 4)
    assert an_effect(comparisons=10).half_width == pytest.approx(half)


@pytest.mark.parametrize(
    ("difference", "verdict"), [(0.1, HELPS), (-0.1, HURTS), (0.02, OPEN), (0.0, OPEN)]
)
def test_verdicts(difference: float, verdict: str) -> None:
    assert an_effect(difference).verdict == verdict


def test_one_seed_tells_nothing() -> None:
    found = effect(mean_pool, [measured(np.ones((1, 1, 9)))], [measured(np.zeros((1, 1, 9)))])
    assert found.half_width == math.inf
    assert found.verdict == OPEN
    assert found.seeds_needed is None


def test_the_seeds_needed_tell_in_four_of_five_studies() -> None:
    """Simulated: differences of seeds are normal with the mean and spread that were seen."""
    needed = an_effect(0.02).seeds_needed
    assert needed is not None
    draw = np.random.default_rng(0)

    def rate(seeds: int) -> float:
        differences = draw.normal(0.02, 0.02, (4000, seeds))
        half = student_t.ppf(0.975, seeds - 1) * differences.std(axis=1, ddof=1) / seeds**0.5
        return float((differences.mean(axis=1) > half).mean())

    assert rate(needed) > 0.75
    assert rate(needed - 2) < 0.8


def test_a_study_that_has_told_needs_fewer_seeds_than_it_had() -> None:
    needed = an_effect(0.1, seeds=10).seeds_needed
    assert needed is not None
    assert needed < 10


def test_too_few_images_cannot_be_made_up_for_by_seeds() -> None:
    found = an_effect(0.01, image_variance=0.0004)
    assert found.seeds_needed is None
    assert not found.seeds_could_tell
    assert an_effect(0.01, seed_variance=1000.0).seeds_could_tell


def test_the_draws_of_images_repeat() -> None:
    draw = np.random.default_rng(0)
    a, b = (measured(draw.normal(size=(3, 1, 20))) for _ in range(2))
    assert effect(mean_pool, [a], [b]) == effect(mean_pool, [a], [b])
