"""How long a run trains: in epochs or in steps, and which of the two holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auxseg.api import configure
from auxseg.assembly import CHOICES
from auxseg.config import Config, TrainingConfig, dotted
from auxseg.config.parsing import to_config
from auxseg.errors import UsageError
from auxseg.runs.settings import longer

EPOCHS, STEPS = {"training.epochs": 3}, {"training.steps": 400}


def of(*layers: dict[str, object]) -> TrainingConfig:
    return to_config("segnet-1task", layers, CHOICES).training


def test_a_run_that_is_not_told_trains_for_30_epochs() -> None:
    assert (of().epochs, of().steps, of().validate_every, of().last_epoch) == (30, None, None, 30)


@pytest.mark.parametrize(
    ("steps", "every", "epochs"), [(400, 20, 20), (410, 21, 20), (7, 1, 7), (1, 1, 1)]
)
def test_a_run_of_steps_is_validated_twenty_times(steps: int, every: int, epochs: int) -> None:
    training = of({"training.steps": steps})
    assert (training.epochs, training.validate_every) == (None, every)
    assert training.all_epochs == training.last_epoch == epochs


def test_the_last_stretch_may_be_shorter() -> None:
    assert of(STEPS | {"training.validate_every": 150}).all_epochs == 3


def test_a_run_of_steps_can_be_stopped_after_some_validations() -> None:
    assert of(STEPS | {"training.stop_after": 4}).last_epoch == 4


def test_the_layer_on_top_says_which_of_the_two() -> None:
    assert of(STEPS, EPOCHS) == of(EPOCHS)
    assert of(EPOCHS, STEPS) == of(STEPS)
    assert of(STEPS | {"training.validate_every": 5}, EPOCHS) == of(EPOCHS)
    assert of(STEPS | {"training.validate_every": 5}, {"training.steps": 50}).validate_every == 5


@pytest.mark.parametrize("both", [EPOCHS | STEPS, STEPS | EPOCHS])
def test_both_at_once_are_refused(both: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"training\.epochs.*training\.steps.*exclude"):
        of(both)
    with pytest.raises(UsageError, match=r"training\.epochs.*training\.steps.*exclude"):
        configure("segnet-1task", epochs=3, steps=400)
    with pytest.raises(UsageError, match=r"training\.epochs.*training\.steps.*exclude"):
        TrainingConfig(epochs=3, steps=400)


@pytest.mark.parametrize("length", [EPOCHS, STEPS])
def test_a_run_s_file_says_the_same_again(length: dict[str, object]) -> None:
    """It names both, one of them as null, over whatever its preset sets."""
    first = to_config("segnet-1task", [length], CHOICES)
    for below in ({}, EPOCHS, STEPS):
        assert to_config("segnet-1task", [below, dotted(first)], CHOICES) == first


def test_validations_of_steps_need_steps() -> None:
    with pytest.raises(UsageError, match=r"validate_every.*training\.steps"):
        of({"training.validate_every": 5})


# -- longer runs ----------------------------------------------------------------------------------


def run(**settings: int) -> Config:
    return configure("segnet-1task", **settings)


def test_a_run_of_more_steps_is_longer() -> None:
    first = run(steps=400)
    more = replace(first, training=replace(first.training, steps=600))
    assert more.training.validate_every == 20
    assert longer(first, more)
    assert not longer(more, first)


def test_a_run_in_other_stretches_is_not_a_longer_one() -> None:
    assert not longer(run(steps=400), run(steps=800))
    assert not longer(run(epochs=10), run(steps=800, validate_every=8))
