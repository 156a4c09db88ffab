"""Rounds, medians and spreads."""

from __future__ import annotations

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


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("auxseg.bench.clock.time", made)
    return made


def test_the_median_is_of_the_runs_themselves(clock: Clock) -> None:
    pauses = iter([9.0, 3.0, 1.0, 30.0])  # the first one is the warm-up
    timing = time_in_rounds({"a": lambda: clock.sleep(next(pauses))}, CPU, 1e-9)["a"]
    assert timing.seconds == pytest.approx(3.0)
    assert timing.spread == pytest.approx((16.5 - 2.0) / 3.0)  # quartiles by hand


def test_rounds_go_on_until_the_time_is_up(clock: Clock) -> None:
    works = {"a": lambda: clock.sleep(0.5), "b": lambda: clock.sleep(1.0)}
    timings = time_in_rounds(works, CPU, seconds=10.0)
    assert {timing.rounds for timing in timings.values()} == {7}  # 10.5 s, after the warm-up
