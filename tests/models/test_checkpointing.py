"""Activation checkpointing saves memory and changes nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from auxseg.api import configure
from auxseg.assembly import make_model, make_tasks, make_views
from auxseg.config.presets import PRESETS
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.checkpointing import MODES, region
from auxseg.models.layers import ConvBNReLU
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))

#: A preset of each architecture, one whose views have a forward pass each, another encoder.
SYSTEMS = (
    *("segnet-3task", "mtan-3task", "mtan-full-3task", "cross-stitch-3task", "mtan-all"),
    *("progressive-3task", "mtan-unet-3task"),
)


def test_every_architecture_is_among_the_systems() -> None:
    assert {PRESETS[name].architecture for name in SYSTEMS} == set(ARCHITECTURES)


def step(model: MultiTaskModel, preset: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients and buffers of a copy after one forward and backward pass."""
    config = configure(preset, weights="none")
    views = make_views(config, make_tasks(config, CLASSES))
    draw = torch.Generator().manual_seed(0)
    inputs = {name: torch.rand(2, views.channels, 32, 48, generator=draw) for name in views.routes}
    torch.manual_seed(0)  # dropout of the heads
    outputs = model.train().forward_views(inputs, views.routes)
    torch.stack([output.square().sum() for output in outputs.values()]).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, dict(model.named_buffers())


@pytest.mark.parametrize("preset", SYSTEMS)
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "none"])
def test_gradients_and_running_statistics_are_the_same(preset: str, mode: str) -> None:
    config = configure(preset, weights="none", width=0.1)
    plain = make_model(config, make_tasks(config, CLASSES))
    saving = copy.deepcopy(plain)
    saving.checkpoint_activations(mode)
    for expected, found in zip(step(plain, preset), step(saving, preset), strict=True):
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("mode", MODES)
def test_convolutions_are_computed_again_in_full_mode_only(mode: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = configure("mtan-3task", weights="none", width=0.1)
    model = make_model(config, make_tasks(config, CLASSES))
    model.checkpoint_activations(mode)
    with FlopCounterMode(display=False) as counter:
        step(model, "mtan-3task")
    forward = model.train()
    with FlopCounterMode(display=False) as once, torch.no_grad():
        forward(torch.rand(2, 3, 32, 48))
    # Backward is twice the forward pass, but for the first layer, whose input needs no gradient.
    ratio = counter.get_total_flops() / once.get_total_flops()
    assert ratio == pytest.approx(4 if mode == "full" else 3, abs=0.1)


def test_a_network_that_predicts_is_never_checkpointed() -> None:
    config = configure("mtan-3task", weights="none", width=0.1)
    model = make_model(config, make_tasks(config, CLASSES)).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = model(image)
        model.checkpoint_activations("full")
        found = model(image)
    for name, output in expected.items():
        assert torch.equal(found[name], output), name


class Block(nn.Module):
    """A region of three layers."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(ConvBNReLU(4, 4) for _ in range(3)))
        self.mode = mode

    def forward(self, image: Tensor) -> Tensor:
        return region(self.mode, [self.layers], self.layers, image)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        ("none", 1 + 3 * 3),  # the image; of each layer what convolution, norm and ReLU gave
        ("selective", 1 + 3),  # the image, and what convolutions gave
        ("full", 1),
    ],
)
def test_compiled_it_saves_as_well(mode: str, kept: int) -> None:
    """One graph without a break, the same gradients, the same running statistics."""
    plain = Block("none")
    saving = Block(mode)
    saving.load_state_dict(plain.state_dict())
    torch._dynamo.reset()
    saving.compile(backend="aot_eager", fullgraph=True)
    image = torch.rand(2, 4, 16, 16)
    maps: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.shape == image.shape:
            maps[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        saving(image).square().sum().backward()
    plain(image).square().sum().backward()
    for expected, found in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad)
    for expected, found in zip(plain.buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(found, expected)
    assert len(maps) <= kept + 1  # and the output, which is the loss's
