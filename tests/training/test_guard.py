"""A loss that is not finite is reported with its task, step and images."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError
from auxseg.training.guard import LOOK_EVERY, Guard, SkipStep

IMAGES = torch.tensor([4, 9, 2])


def guard(non_finite: str = "stop", *, every_step: bool = True) -> Guard:
    made = Guard(TrainingConfig(non_finite=non_finite), every_step=every_step)
    made.name = lambda number: f"{number}.jpg"
    return made


def values(**losses: float) -> dict[str, Tensor]:
    return {name: torch.tensor(loss) for name, loss in losses.items()}


def test_task_step_and_images_are_named() -> None:
    watching = guard()
    watching.begin(7, IMAGES)
    with pytest.raises(TrainingError) as found:
        watching.watch(values(segmentation=1.0, bbox=math.inf))
    assert "the loss of bbox is not a finite number in step 7, with 4.jpg, 9.jpg, 2.jpg; " in str(
        found.value
    )


def test_of_a_step_that_was_not_looked_at_the_images_to_blame_are_named() -> None:
    watching = guard(every_step=False)
    for step in range(1, LOOK_EVERY):
        watching.begin(step, IMAGES)
        watching.watch(values(segmentation=math.nan if step == 5 else 1.0))
        bad = math.nan if step == 5 else 1.0
        watching.explain({"segmentation": torch.tensor([1.0, bad, 1.0])})
    watching.begin(LOOK_EVERY, IMAGES)
    with pytest.raises(TrainingError, match=r"in step 5, with 9\.jpg; "):
        watching.watch(values(segmentation=1.0))


def test_skipped_steps_are_counted_until_they_are_too_many() -> None:
    watching = guard("skip")
    for _ in range(3):
        with pytest.raises(SkipStep):
            watching.watch(values(segmentation=math.nan))
    assert watching.take_skipped() == 3
    watching.watch(values(segmentation=1.0))
    for _ in range(20):
        with pytest.raises(SkipStep):
            watching.watch(values(segmentation=math.nan))
    with pytest.raises(TrainingError, match="the last of 21 in a row"):
        watching.watch(values(segmentation=math.nan))
