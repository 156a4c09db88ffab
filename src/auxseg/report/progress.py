"""How far training had come at the rows of a run's history: in epochs, or in steps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from auxseg.config import TrainingConfig

EPOCH, STEP = "epoch", "step"

#: What an epoch is where training was counted in steps.
EPOCH_OF_STEPS = (
    "Where a system was trained for a number of steps, an epoch lasts from one validation to the "
    "next."
)


def unit(trainings: Iterable[TrainingConfig]) -> str:
    """What a common axis counts: steps where every run was trained by steps, else epochs.

    An epoch of a run that is trained by steps lasts from one validation to the next.
    """
    return STEP if all(one.steps is not None for one in trainings) else EPOCH


def reached(training: TrainingConfig, epochs: Iterable[int], unit: str) -> np.ndarray:
    """Epochs, counted from 1, or the steps at which they end, as int64."""
    ends = np.fromiter(epochs, dtype=np.int64)
    if unit == EPOCH:
        return ends
    assert training.steps is not None
    assert training.validate_every is not None
    return np.minimum(ends * training.validate_every, training.steps)
