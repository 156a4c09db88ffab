"""The average of the weights: by hand, in evaluation mode always, and the same after a stop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from auxseg import assembly
from auxseg.api import configure
from auxseg.models import MultiTaskModel
from auxseg.training.teacher import Teacher
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


@pytest.fixture
def model() -> MultiTaskModel:
    config = configure("unet-1task", width=0.1, weights="none")
    return assembly.make_model(config, assembly.make_tasks(config, CLASSES)).train()


def walk(model: nn.Module, seed: int) -> None:
    """Other weights, and other statistics."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=draw))
            else:
                tensor.add_(1)


def states(*models: nn.Module) -> Any:
    return zip(*(one.state_dict().items() for one in models), strict=True)


def test_the_first_average_is_the_network_itself(model: MultiTaskModel) -> None:
    """min(1 − 1/(0 + 1), d) = 0: nothing of the first weights is left."""
    teacher = Teacher(model, 0.9)
    walk(model, 1)
    teacher.follow(model)
    for (name, own), (_, other) in states(teacher.model, model):
        assert torch.equal(own, other), name


def test_three_steps_by_hand(model: MultiTaskModel) -> None:
    """Decays 0, 1/2, and 0.6 where 2/3 would be more."""
    teacher = Teacher(model, 0.6)
    seen = []
    for step in range(3):
        walk(model, step)
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        teacher.follow(model)
    for name, average in teacher.model.state_dict().items():
        first, second, third = (state[name] for state in seen)
        if average.is_floating_point():
            expected = 0.6 * (0.5 * first + 0.5 * second) + 0.4 * third
            torch.testing.assert_close(average, expected)
        else:
            assert torch.equal(average, third), name


def test_running_statistics_are_averaged_as_weights_are(model: MultiTaskModel) -> None:
    names = [name for name, _ in model.named_buffers() if name.endswith("running_var")]
    assert names
    teacher = Teacher(model, 0.5)
    before = {name: model.state_dict()[name].clone() for name in names}
    teacher.follow(model)
    walk(model, 0)
    teacher.follow(model)
    for name in names:
        middle = (before[name] + model.state_dict()[name]) / 2
        torch.testing.assert_close(teacher.model.state_dict()[name], middle)


def test_it_stays_in_evaluation_mode_and_takes_no_gradient(model: MultiTaskModel) -> None:
    holder = nn.ModuleList([model, Teacher(model, 0.9)])
    holder.train()
    teacher = holder[1]
    assert isinstance(teacher, Teacher)
    assert model.training
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert teacher(torch.rand(2, 3, 32, 32)).shape == (2, 2, 32, 32)


def test_it_goes_on_where_it_was_saved(model: MultiTaskModel) -> None:
    through, before = Teacher(model, 0.7), Teacher(model, 0.7)
    for step in range(2):
        walk(model, step)
        through.follow(model)
        before.follow(model)
    resumed = Teacher(model, 0.7)
    resumed.load_state_dict(before.state_dict())
    for step in range(2, 5):
        walk(model, step)
        through.follow(model)
        resumed.follow(model)
    assert int(resumed.steps) == 5
    for (name, own), (_, other) in states(through, resumed):
        assert torch.equal(own, other), name
