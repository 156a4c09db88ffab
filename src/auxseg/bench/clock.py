"""Timing things side by side: in rounds, so that a machine's moods meet them all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Key = TypeVar("Key")

#: Rounds that are timed at least, after one that is not.
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Work:
    """Something to time.

    Attributes:
        run: does it once.
        flops: arithmetic operations of one run, a multiply-add as two, counted by torch.
        images: images that one run handles.
    """

    run: Callable[[], Any]
    flops: int
    images: int


@dataclass(frozen=True)
class Timing:
    """What the clock said of one work.

    Attributes:
        seconds: the median of its runs.
        spread: the distance between the quartiles of its runs, as a part of the median.
        rounds: number of runs.
    """

    seconds: float
    spread: float
    rounds: int


def time_in_rounds(
    works: Mapping[Key, Callable[[], Any]], device: torch.device, seconds: float
) -> dict[Key, Timing]:
    """Runs all works in turn, round after round, until the time is up.

    Args:
        seconds: for all rounds together; :data:`LEAST_ROUNDS` are made however long they take.
    """
    taken: dict[Key, list[float]] = {name: [] for name in works}
    end = None
    while end is None or time.perf_counter() < end or len(min(taken.values())) < LEAST_ROUNDS:
        warm = end is not None
        gc.collect()  # what a work left behind is not freed on another's time
        for name, run in works.items():
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            if warm:
                taken[name].append(time.perf_counter() - start)
        end = end or time.perf_counter() + seconds
    return {name: _timing(times) for name, times in taken.items()}


def _timing(times: list[float]) -> Timing:
    median = statistics.median(times)
    low, _, high = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, (high - low) / median, len(times))


def _wait(device: torch.device) -> None:
    """Until a GPU has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
