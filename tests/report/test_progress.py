"""Whether an axis counts epochs or steps, and where the rows of a history lie on it."""

from __future__ import annotations

from auxseg.config import TrainingConfig
from auxseg.report.progress import reached, unit

EPOCHS = TrainingConfig(epochs=3)
STEPS = TrainingConfig(steps=10, validate_every=4)


def test_steps_are_counted_where_all_are_trained_by_steps() -> None:
    assert unit([STEPS, TrainingConfig(steps=100)]) == "step"
    assert unit([EPOCHS]) == unit([STEPS, EPOCHS]) == "epoch"


def test_a_row_lies_at_the_step_of_its_validation() -> None:
    assert reached(STEPS, range(1, 4), "step").tolist() == [4, 8, 10]
    assert reached(STEPS, [1, 3], "step").tolist() == [4, 10]


def test_a_row_lies_at_its_epoch() -> None:
    for training in (STEPS, EPOCHS):
        assert reached(training, range(1, 4), "epoch").tolist() == [1, 2, 3]


def test_how_long_is_trained_in_words() -> None:
    assert EPOCHS.length == "3 epochs"
    assert STEPS.length == "10 steps"
    assert TrainingConfig(epochs=3, stop_after=2).length == "2 epochs"
    assert TrainingConfig(steps=10, validate_every=4, stop_after=2).length == "8 steps"
