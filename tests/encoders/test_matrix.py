"""Every architecture over every kind of encoder: it trains, frozen or not, at any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auxseg.balancing.fixed import Fixed
from auxseg.config import TrainingConfig
from auxseg.models import MultiTaskModel
from auxseg.training.optimizer import make_optimizer

from .models import COMBINATIONS, KINDS, image, make

BALANCER = Fixed({"segmentation": 1.0, "classification": 1.0})


def step(model: MultiTaskModel, height: int, width: int) -> None:
    """Gradients of a loss that reaches every output."""
    outputs = model.train()(image(2, height, width))
    assert outputs["segmentation"].shape == (2, 2, height, width)
    assert outputs["classification"].shape == (2, 3)
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()


@pytest.mark.parametrize(("architecture", "name"), COMBINATIONS)
def test_every_parameter_learns_at_an_odd_size(architecture: str, name: str) -> None:
    model = make(name, architecture)
    # One step first: timm starts the last norm of a ResNet's blocks at zero.
    optimizer = make_optimizer(model, BALANCER, TrainingConfig(lr=1e-3))
    step(model, 64, 64)
    optimizer.step()
    optimizer.zero_grad()
    step(model, 50, 70)
    for key, parameter in model.named_parameters():
        assert parameter.requires_grad, key
        assert parameter.grad is not None, key
        assert bool(torch.isfinite(parameter.grad).all()), key
        assert float(parameter.grad.abs().sum()) > 0, key


@pytest.mark.parametrize("name", KINDS)
def test_frozen_it_keeps_weights_and_statistics_while_the_pyramid_learns(name: str) -> None:
    model = make(name)
    model.freeze_encoders()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    config = TrainingConfig(lr=0.1)
    optimizer = make_optimizer(model, BALANCER, config)
    step(model, 64, 64)
    optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not value.equal(before[key])}
    assert not any(key.startswith("encoder.net.") for key in changed)
    assert any(key.startswith("decoders.") for key in changed)
    made = {key.split(".")[2] for key in changed if key.startswith("encoder.pyramid.")}
    assert len(made) == KINDS[name].made
    assert any(key.startswith("encoder.pyramid.") for key in before) is bool(made)


@pytest.mark.parametrize("name", ["convnextv2_atto", "vit_small_patch16_dinov3"])
def test_encoder_lr_is_not_for_the_pyramid(name: str) -> None:
    model = make(name)
    config = TrainingConfig(lr=1.0, encoder_lr=0.25)
    rates = {
        parameter: group["lr"]
        for group in make_optimizer(model, BALANCER, config).param_groups
        for parameter in group["params"]
    }
    for key, parameter in model.named_parameters():
        assert rates[parameter] == (0.25 if key.startswith("encoder.net.") else 1.0), key


@pytest.mark.parametrize("mode", ["selective", "full"])
@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "pvt_v2_b0"])
def test_checkpointing_changes_no_gradient(name: str, mode: str) -> None:
    found = []
    for one in ("none", mode):
        model = make(name)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        model.checkpoint_activations(one)
        step(model, 64, 64)
        gradients = [parameter.grad for parameter in model.parameters()]
        found.append((gradients, list(model.buffers())))
    torch.testing.assert_close(found[0], found[1])
