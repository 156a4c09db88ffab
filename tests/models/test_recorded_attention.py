"""Attention masks as recorded: under readable names, as computed, and only while asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.attention import AttentionMask, recorded_attention
from auxseg.types import Route

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]

TASKS = ("segmentation", "classification", "bbox", "edges")
DENSE = ("segmentation", "edges")
CHANNELS = (8, 16, 32, 64, 64)  # at width 0.125
ATTENTIVE = ["mtan", "mtan-full"]


def image(height: int = 64, width: int = 32) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def keys(architecture: str, tasks: tuple[str, ...] = TASKS) -> set[str]:
    found = {f"{task}/encoder-{block}" for task in tasks for block in range(1, 6)}
    if architecture == "mtan-full":
        dense = [task for task in tasks if task in DENSE]
        found |= {f"{task}/decoder-{block}" for task in dense for block in range(1, 6)}
    return found


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_every_mask_has_its_name_and_the_block_s_shape(
    architecture: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model(architecture, width=0.125))
    with torch.no_grad(), recorded_attention(model) as found:
        model(image())
    assert set(found) == keys(architecture)
    for key, mask in found.items():
        place, block = key.split("/")[1].split("-")
        level = int(block) - 1
        # A decoder block's output has the channels of the block before it.
        channels = CHANNELS[level if place == "encoder" else max(level - 1, 0)]
        assert tuple(mask.shape) == (2, channels, 64 >> level, 32 >> level), key
        assert 0 < float(mask.min()) < float(mask.max()) < 1, key


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_recorded_is_what_the_masks_compute(
    architecture: str, make_model: Make, trained_norms: Adapt
) -> None:
    """From what each was given, in the order of blocks: encoder down, decoder up."""
    model = trained_norms(make_model(architecture))
    given: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, AttentionMask):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: given.__setitem__(name, inputs[0].clone())
            )
    with torch.no_grad(), recorded_attention(model) as found:
        model(image())
        for name, seen in dict(given).items():
            place, task, number = name.split(".")
            block = 5 - int(number) if place == "decoder_attention" else int(number) + 1
            part = "decoder" if place == "decoder_attention" else "encoder"
            mask = found[f"{task}/{part}-{block}"].clone()
            assert torch.equal(mask, model.get_submodule(name)(seen)), name
    assert len(given) == len(keys(architecture))


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_afterwards_nothing_is_recorded(architecture: str, make_model: Make) -> None:
    model = make_model(architecture).eval()
    with recorded_attention(model) as found:
        assert hooks(model) == len(keys(architecture))
    assert hooks(model) == 0
    model(image())
    assert found == {}


def test_nor_where_a_pass_fails(make_model: Make) -> None:
    model = make_model("mtan").eval()
    with pytest.raises(RuntimeError), recorded_attention(model):
        model(torch.zeros(1, 5, 32, 32))
    assert hooks(model) == 0


def test_masks_carry_no_gradient(make_model: Make) -> None:
    model = make_model("mtan").train()
    with recorded_attention(model) as found:
        model(image())
    assert not any(mask.requires_grad for mask in found.values())


@pytest.mark.parametrize("architecture", [n for n in ARCHITECTURES if n not in ATTENTIVE])
def test_without_attention_there_is_nothing_to_record(architecture: str, make_model: Make) -> None:
    model = make_model(architecture).eval()
    with recorded_attention(model) as found:
        model(image())
    assert found == {}


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_a_task_s_masks_are_those_of_its_view(
    architecture: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model(architecture))
    readers = {"image": ("segmentation", "classification", "bbox"), "dark": ("edges",)}
    routes = {view: [Route(name, name) for name in names] for view, names in readers.items()}
    views = {"image": image(), "dark": 0.1 * image()}
    with torch.no_grad():
        with recorded_attention(model) as both:
            model.forward_views(views, routes)
        with recorded_attention(model) as alone:
            model(views["dark"], ("edges",))
    assert set(both) == keys(architecture)
    assert set(alone) == keys(architecture, ("edges",))
    assert all(torch.equal(both[key], alone[key]) for key in alone)
