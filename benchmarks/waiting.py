"""How long a training step waits for its batch: the share of an epoch that reading adds to it.

An epoch is timed twice: with the loader, and with one batch that is already there. What the first
takes longer was waited for, also where a GPU works on while the next batch is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import repeat

import torch

from auxseg import assembly
from auxseg.bench.networks import network, step_taker
from auxseg.config import Config
from auxseg.tasks import Task
from auxseg.types import Batch

TakeStep = Callable[[Batch], object]


def waited(
    config: Config, data: assembly.Data, tasks: dict[str, Task], workers: int, step: TakeStep
) -> Callable[[], tuple[float, float]]:
    """Prepares the measurement of one epoch; calling it gives (share waited, seconds per step).

    Args:
        workers: processes of the loader; they are started before the measurement.
        step: one training step.
    """
    with_workers = replace(config, data=replace(config.data, num_workers=workers))
    loader = assembly.make_train_loader(with_workers, data, tasks)
    batch = next(iter(loader))

    def measure() -> tuple[float, float]:
        held = _seconds(repeat(batch, len(loader)), step)
        read = _seconds(loader, step)
        return 1 - held / read, held / len(loader)

    return measure


def _seconds(batches: Iterable[Batch], step: TakeStep) -> float:
    start = time.perf_counter()
    for batch in batches:
        step(batch)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def simulated_step(milliseconds: float) -> TakeStep:
    """A step that leaves the processor free, as a GPU's does."""
    return lambda batch: time.sleep(milliseconds / 1000)


def real_step(config: Config, tasks: dict[str, Task], device: str) -> TakeStep:
    """The preset's own training step, without Lightning around it."""
    model = network(config, tasks, torch.device(device)).train()
    take = step_taker(model, config, tasks)
    return lambda batch: take(batch.to(device, non_blocking=True))
