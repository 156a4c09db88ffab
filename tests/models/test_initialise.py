"""Starting weights depend on the seed and the module's name, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.heads import DenseHead, FinalLinear
from auxseg.models.initialise import FINAL_STD, initialise
from auxseg.seeding import keyed_generator

Make = Callable[..., MultiTaskModel]


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Drawn weights: those of convolutions and linear layers."""
    return {
        name: module.weight.detach()
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_encoder_is_the_same_in_every_architecture(architecture: str, make_model: Make) -> None:
    plain = make_model("hard-sharing", ("segmentation",)).encoder.state_dict()
    other = make_model(architecture).encoder.state_dict()
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_adding_a_task_shifts_nothing(architecture: str, make_model: Make) -> None:
    few = make_model(architecture, ("segmentation", "bbox")).state_dict()
    many = make_model(
        architecture, ("segmentation", "classification", "bbox", "edges")
    ).state_dict()
    assert few.keys() < many.keys()
    # A mixture of two tasks' features has another shape than one of four.
    same = [name for name in few if not name.endswith(".mixture")]
    assert len(few) - len(same) == (5 if architecture == "cross-stitch" else 0)
    assert all(torch.equal(few[name], many[name]) for name in same)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_the_seed_decides(architecture: str, make_model: Make) -> None:
    torch.manual_seed(1)
    first = weights(make_model(architecture))
    torch.manual_seed(2)
    again, other = weights(make_model(architecture)), weights(make_model(architecture, seed=1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_the_global_generator_is_left_alone(make_model: Make) -> None:
    model = make_model("mtan")
    before = torch.get_rng_state()
    initialise(model, seed=5)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_two_layers_share_their_numbers(architecture: str, make_model: Make) -> None:
    first_numbers = [
        round(float(value.flatten()[0]) / float(value.std()), 5)
        for value in weights(make_model(architecture)).values()
    ]
    assert len(set(first_numbers)) == len(first_numbers)


def test_scales_of_the_drawn_weights(make_model: Make) -> None:
    """He et al. 2015 before a ReLU: std² = 2 / fan-in; near zero where a task's output is."""
    model = make_model("mtan", width=0.25)
    for name, module in model.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)) or module.weight.numel() < 500:
            continue
        final = isinstance(module, (DenseHead, FinalLinear))
        expected = FINAL_STD if final else (2 / module.weight[0].numel()) ** 0.5
        assert module.weight.std().item() == pytest.approx(expected, rel=0.12), name
        assert module.bias is None or not module.bias.any(), name


def test_norms_start_at_one_and_forget_what_they_saw(make_model: Make) -> None:
    model = make_model("mtan").train()
    model(torch.rand(2, 3, 32, 32))
    initialise(model, seed=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
            assert not module.running_mean.any()
            assert bool((module.running_var == 1).all())


def test_generators_are_keyed_by_seed_and_name() -> None:
    first = {
        key: float(torch.rand((), generator=keyed_generator(*key)))
        for key in [(0, "a"), (0, "b"), (1, "a"), (11, "a")]
    }
    assert len(set(first.values())) == 4
    assert float(torch.rand((), generator=keyed_generator(0, "a"))) == first[0, "a"]
