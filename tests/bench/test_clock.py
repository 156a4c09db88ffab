"""Rounds, medians and spreads."""

from __future__ import annotations

import time

import pytest
import torch

from auxseg.bench.clock import LEAST_ROUNDS, time_in_rounds

CPU = torch.device("cpu")


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    works = {name: lambda name=name: order.append(name) for name in "ab"}
    timings = time_in_rounds(works, CPU, seconds=1e-9)
    assert order == ["a", "b"] * (1 + LEAST_ROUNDS)
    assert {timing.rounds for timing in timings.values()} == {LEAST_ROUNDS}


def test_the_median_is_of_the_runs_themselves() -> None:
    pauses = iter([0.2, 0.03, 0.01, 0.3])  # the first one is the warm-up
    timing = time_in_rounds({"a": lambda: time.sleep(next(pauses))}, CPU, 1e-9)["a"]
    assert timing.seconds == pytest.approx(0.03, abs=0.02)
    assert timing.spread > 1


def test_rounds_go_on_until_the_time_is_up() -> None:
    timing = time_in_rounds({"a": lambda: time.sleep(0.01)}, CPU, 3.0)["a"]
    assert timing.rounds > LEAST_ROUNDS
