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
    _round(works, device)  # compiles, allocates, fills caches
    rounds: list[dict[Key, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or time.perf_counter() < end:
        rounds.append(_round(works, device))
    return {name: _timing([taken[name] for taken in rounds]) for name in works}


def _round(works: Mapping[Key, Callable[[], Any]], device: torch.device) -> dict[Key, float]:
    """Every work once; the seconds of each."""
    gc.collect()  # what a work left behind is not freed on another's time
    taken = {}
    for name, run in works.items():
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        taken[name] = time.perf_counter() - start
    return taken


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
