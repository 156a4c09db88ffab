"""What every encoder promises, over their dict, and every architecture over every encoder."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import ARCHITECTURES, DECODERS, ENCODERS, MultiTaskModel
from auxseg.models.encoders import Encoder, find_encoder

Make = Callable[..., MultiTaskModel]

#: Those that are built in; the others have a command of their own (``make test-encoders``).
BUILT_IN = [name for name in ENCODERS if name != "timm"]


def image(count: int = 2, height: int = 64, width: int = 96, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=BUILT_IN)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.manual_seed(0)
    return find_encoder(request.param)(3, 0.25)


def test_levels_have_the_channels_and_strides_that_it_says(encoder: Encoder) -> None:
    levels = encoder(image())
    assert len(levels) == len(encoder.channels) == len(encoder.strides)
    for level, channels, first, stride in zip(
        levels, encoder.channels, encoder.first_channels, encoder.strides, strict=True
    ):
        size = (64 // stride, 96 // stride)
        assert level.last.shape == (2, channels, *size)
        assert level.first.shape == (2, first, *size)
        assert level.next.shape[1] == channels
        assert (level.indices is not None) == encoder.unpools
    assert levels[-1].next.shape[2:] == (64 // encoder.out_stride, 96 // encoder.out_stride)
    assert list(encoder.strides) == sorted(encoder.strides)


def test_stage_by_stage_is_the_whole(encoder: Encoder) -> None:
    encoder.eval()
    features = image()
    with torch.no_grad():
        for number, level in enumerate(encoder(image())):
            found = encoder.stage(number, features)
            assert torch.equal(found.last, level.last)
            assert torch.equal(found.first, level.first)
            features = found.next


def test_first_is_on_the_way_to_last(encoder: Encoder) -> None:
    """Some level is split, and no gradient of ``first`` reaches what comes behind it."""
    levels = encoder(image())
    split = [level for level in levels if level.first is not level.last]
    assert split
    for level in split:
        assert level.last.grad_fn is not None
        (found,) = torch.autograd.grad(level.last.sum(), [level.first], retain_graph=True)
        assert float(found.abs().sum()) > 0


def test_its_own_weights_come_back_by_their_published_names(encoder: Encoder) -> None:
    other = type(encoder)(3, 0.25)  # type: ignore[call-arg]
    encoder.train()(image())
    assert not other.load(encoder.published(), "a test")  # type: ignore[arg-type]
    with torch.no_grad():
        a, b = encoder.eval()(image())[-1].next, other.eval()(image())[-1].next
    torch.testing.assert_close(a, b)


def test_frozen_it_keeps_weights_and_statistics(encoder: Encoder) -> None:
    encoder.freeze()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.train()
    encoder(image())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_with_frozen_norms_it_learns_and_keeps_its_statistics(encoder: Encoder) -> None:
    encoder.freeze_norms()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    levels = encoder.train()(image())
    assert all(torch.equal(before[name], value) for name, value in encoder.named_buffers())
    torch.testing.assert_close(levels[-1].last, encoder.eval()(image())[-1].last)
    levels[-1].last.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_input_is_normalised_as_its_weights_expect(name: str, make_model: Make) -> None:
    model = make_model("hard-sharing", encoder=name)
    mean, std = (
        torch.tensor(one).view(1, 3, 1, 1) for one in (model.encoder.mean, model.encoder.std)
    )
    torch.testing.assert_close(model.normalise(image()), (image() - mean) / std)


#: Every architecture, encoder and decoder that go together.
COMBINATIONS = [
    (architecture, encoder, decoder)
    for architecture, encoder, decoder in itertools.product(ARCHITECTURES, BUILT_IN, DECODERS)
    if (ENCODERS[encoder].unpools or not DECODERS[decoder].NEEDS_INDICES)
    and not (
        ARCHITECTURES[architecture].NEEDS_INDICES
        and not (ENCODERS[encoder].unpools and DECODERS[decoder].NEEDS_INDICES)
    )
]


@pytest.mark.parametrize(("architecture", "encoder", "decoder"), COMBINATIONS)
def test_every_combination_trains_at_an_odd_size(
    architecture: str, encoder: str, decoder: str, make_model: Make
) -> None:
    model = make_model(architecture, encoder=encoder, decoder=decoder, width=0.1).train()
    outputs = model(image(2, 50, 71))
    assert outputs["segmentation"].shape == (2, 2, 50, 71)
    assert outputs["edges"].shape == (2, 1, 50, 71)
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize(("architecture", "encoder", "decoder"), COMBINATIONS)
def test_every_parameter_is_somebody_s(
    architecture: str, encoder: str, decoder: str, make_model: Make
) -> None:
    model = make_model(architecture, encoder=encoder, decoder=decoder, width=0.1)
    shared, specific = model.shared_parameters(), model.specific_parameters()
    everything = {id(one) for one in model.parameters()}
    assert {id(one) for one in (*shared, *specific)} == everything
    assert len(shared) + len(specific) == len(everything)


def test_a_frozen_encoder_leaves_hard_sharing_nothing_to_share(make_model: Make) -> None:
    model = make_model("hard-sharing", encoder="efficientnet-lite0")
    model.freeze_encoders()
    assert model.shared_parameters() == []
    assert make_model("mtan", encoder="efficientnet-lite0").shared_parameters()


def test_what_two_tasks_read_is_shared(make_model: Make) -> None:
    model = make_model("hard-sharing")
    own = {id(one) for one in model.heads["segmentation"].parameters()}
    assert own <= {id(one) for one in model.specific_parameters()}
    model.read_by_several = frozenset({"segmentation"})
    assert own <= {id(one) for one in model.shared_parameters()}


def test_mtan_attends_at_every_level_of_another_encoder(make_model: Make) -> None:
    """With all masks open, f_L is the encoder's last level through the shared convolutions."""
    model = make_model("mtan", encoder="efficientnet-lite0", width=0.25).eval()
    for module in model.modules():
        if isinstance(module, nn.Sigmoid):
            module.register_forward_hook(lambda module, inputs, output: torch.ones_like(output))
    prepared = model.prepare(image())
    with torch.no_grad():
        levels, features, attended = model.attend(prepared, ["bbox"])  # type: ignore[operator]
        expected = model.outer[-1](levels[-1].last)  # type: ignore[index]
    torch.testing.assert_close(features["bbox"], expected)
    for level, picked in zip(levels, attended["bbox"], strict=True):
        torch.testing.assert_close(picked, level.last)
