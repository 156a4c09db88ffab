"""The plan keeps to the time, and takes the largest size that the time allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxseg.experiments.fit.plan import (
    ENOUGH_STEPS,
    LEAST_STEPS,
    MOST_PASSES,
    SIZES,
    VALIDATIONS,
    Costs,
    Plan,
    choose,
)


def costs(step: float = 0.1, before: float = 5, after: float = 20) -> Costs:
    """Seconds at 96 pixels; more of them cost more."""
    return Costs(
        step=lambda size: step * (size / 96) ** 2,
        before=lambda size: before,
        after=lambda size: after,
        validation=lambda size: step * (size / 96) ** 2,
    )


def plan(seconds: float, step: float = 0.1, **given: Any) -> Plan:
    settings = {"masks": 240, "batch_size": 8, "longest_side": 1000, **given}
    return choose(costs(step), seconds, **settings)


@given(st.floats(30, 5000), st.floats(0.01, 2))
def test_it_keeps_to_the_time(seconds: float, step: float) -> None:
    """Unless a single step does not fit."""
    found = plan(seconds, step)
    assert found.size in SIZES
    assert found.seconds <= seconds or found.steps == 1
    # A larger size would leave too few steps.
    larger = [size for size in SIZES if size > found.size]
    if larger and found.steps >= LEAST_STEPS:
        left = seconds - 25 - VALIDATIONS * step * (larger[0] / 96) ** 2
        assert left / (step * (larger[0] / 96) ** 2) < LEAST_STEPS


def test_hand_worked() -> None:
    """600 s, 0.1 s a step at 96: 575 − 10 × 1.11 left at 320 pixels, for 507 steps; at 384, 349."""
    found = plan(600)
    assert (found.size, found.steps) == (384, 349)
    assert plan(600, size=320).steps == 507
    assert plan(600, steps=40).size == 384
    assert plan(600, steps=40).steps == 40
    assert plan(600, steps=10_000).size == 96
    assert found.validate_every == 35


def test_more_time_than_is_of_use_is_not_spent() -> None:
    assert plan(1e6, masks=20).steps == ENOUGH_STEPS
    assert plan(1e6, masks=240).steps == MOST_PASSES * 240 // 8


@pytest.mark.parametrize(("side", "largest"), [(60, 96), (96, 96), (100, 128), (5000, 384)])
def test_photos_are_not_enlarged(side: int, largest: int) -> None:
    assert plan(1e6, longest_side=side).size == largest
