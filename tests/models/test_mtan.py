"""MTAN: what its masks do, block by block, and where unpooling puts things."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models import MultiTaskModel
from auxseg.models.architectures.mtan import AttentiveEncoder
from auxseg.models.architectures.mtan_full import MTANFull
from auxseg.models.attention import AttentionMask
from auxseg.models.decoders.segnet import SegNetDecoder
from auxseg.models.encoders.vgg16 import VGG16

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]
ATTENTIVE = ["mtan", "mtan-full"]
CHANNELS = (8, 16, 32, 64, 64)  # at width 0.125


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


class Ones(nn.Module):
    """A mask that lets everything through."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.ones_like(features[:, :1])


def open_masks(model: nn.Module) -> None:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, AttentionMask):
                setattr(module, name, Ones())


def attentive(model: MultiTaskModel) -> AttentiveEncoder:
    assert isinstance(model, AttentiveEncoder)
    return model


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_with_open_masks_tasks_read_the_trunk(
    architecture: str, make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = attentive(trained_norms(make_model(architecture)))
    open_masks(model)
    seen: list[list[Tensor]] = [[] for _ in model.outer]
    for number, outer in enumerate(model.outer):
        outer.register_forward_pre_hook(lambda _, given, n=number: seen[n].append(given[0]))
    with torch.no_grad():
        levels, features, _ = model.attend(image, model.heads)
        for level, inputs in zip(levels, seen, strict=True):
            assert len(inputs) == len(model.heads)
            assert all(torch.equal(given, level.last) for given in inputs)
        expected = F.max_pool2d(model.outer[-1](levels[-1].last), 2)
    assert set(features) == set(model.heads)
    for found in features.values():
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_the_trunk_is_the_encoder_whatever_the_masks(
    architecture: str, make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = attentive(trained_norms(make_model(architecture)))
    with torch.no_grad():
        levels, plain = model.attend(image, model.heads)[0], model.encoder(image)
    for level, other in zip(levels, plain, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(level, other, strict=True))


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_masks_have_the_block_s_shape_and_lie_between_0_and_1(
    architecture: str, make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = attentive(trained_norms(make_model(architecture, width=0.125)))
    with torch.no_grad():
        for name, masks in model.attention.items():
            assert isinstance(masks, nn.ModuleList)
            found: list[Tensor] = []
            handles = [
                mask.register_forward_hook(lambda *call, to=found: to.append(call[2]))
                for mask in masks
            ]
            model.attend(image, model.heads)
            for handle in handles:
                handle.remove()
            shapes = [tuple(mask.shape) for mask in found]
            assert shapes == [
                (2, channels, 64 >> level, 32 >> level) for level, channels in enumerate(CHANNELS)
            ], name
            assert all(float(mask.min()) > 0 and float(mask.max()) < 1 for mask in found)
            assert all(float(mask.std()) > 0 for mask in found)


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_features_follow_the_equations(
    architecture: str, make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = attentive(trained_norms(make_model(architecture)))
    masks = model.attention["bbox"]
    assert isinstance(masks, nn.ModuleList)
    with torch.no_grad():
        levels, features, _ = model.attend(image, model.heads)
        own = levels[0].first[:, :0]
        for level, mask, outer in zip(levels, masks, model.outer, strict=True):
            a = mask(torch.cat([level.first, own], dim=1))
            own = F.max_pool2d(outer(a * level.last), 2)
    torch.testing.assert_close(features["bbox"], own)


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_attention_is_the_task_s_own(
    architecture: str, make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = attentive(trained_norms(make_model(architecture)))
    before = {name: output.detach() for name, output in model(image.sigmoid()).items()}
    with torch.no_grad():
        for parameter in model.attention["bbox"].parameters():
            parameter.add_(0.5)
    after = model(image.sigmoid())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"bbox"}
    after["classification"].sum().backward()
    with_gradient = {
        name
        for name, masks in model.attention.items()
        if any(parameter.grad is not None for parameter in masks.parameters())
    }
    assert with_gradient == {"classification"}


def test_published_mtan_with_open_masks_gives_the_decoder_trunk(
    make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = trained_norms(make_model("mtan-full"))
    assert isinstance(model, MTANFull)
    open_masks(model)
    with torch.no_grad():
        features = model.features(image, model.heads)
        levels = model.encoder(image)
        expected = model.decoder(levels[-1].next, levels)
    assert model.dense == ("segmentation", "edges")
    for name in model.dense:
        torch.testing.assert_close(features[name], expected)


def test_the_decoder_s_features_follow_the_equations(
    make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    model = trained_norms(make_model("mtan-full"))
    assert isinstance(model, MTANFull)
    masks = model.decoder_attention["edges"]
    assert isinstance(masks, nn.ModuleList)
    with torch.no_grad():
        found = model.features(image, model.heads)["edges"]
        levels, features, _ = model.attend(image, model.heads)
        own, trunk = features["edges"], levels[-1].next
        for number, level in enumerate(reversed(levels)):
            unpooled = F.max_unpool2d(trunk, level.indices, (2, 2))
            trunk = model.decoder.blocks[number](unpooled)
            raised = F.interpolate(own, scale_factor=2, mode="bilinear", align_corners=False)
            outer = model.decoder_outer[number](raised)
            own = masks[number](torch.cat([unpooled, outer], dim=1)) * trunk
    torch.testing.assert_close(found, own)


def test_published_mtan_attends_in_the_decoder(
    make_model: Make, trained_norms: Adapt, image: Tensor
) -> None:
    """One decoder for all dense tasks, whose outputs differ by their masks alone."""
    model = trained_norms(make_model("mtan-full"))
    assert isinstance(model, MTANFull)
    assert set(model.decoder_attention) == {"segmentation", "edges"}
    with torch.no_grad():
        features = model.features(image, model.heads)
    assert not torch.allclose(features["segmentation"], features["edges"])


@pytest.mark.parametrize("architecture", ["hard-sharing", "mtan"])
def test_dense_tasks_have_decoders_of_their_own(architecture: str, make_model: Make) -> None:
    model = make_model(architecture)
    decoders = dict(model.named_modules())["decoders"]
    assert isinstance(decoders, nn.ModuleDict)
    assert set(decoders) == {"segmentation", "edges"}


def test_unpooling_puts_values_where_the_maxima_stood(image: Tensor) -> None:
    encoder = VGG16(width=0.05).eval()
    decoder = SegNetDecoder(encoder).eval()
    with torch.no_grad():
        level = encoder(image)[-1]
        unpooled = decoder.block(0, level.next + 1, level.indices).unpooled
    flat, put = level.last.flatten(2), unpooled.flatten(2)
    index = level.indices.flatten(2)
    torch.testing.assert_close(put.gather(2, index), level.next.flatten(2) + 1)
    torch.testing.assert_close(flat.gather(2, index), level.next.flatten(2))
    assert int((put != 0).sum()) == level.next.numel()


def test_decoder_mirrors_the_encoder(image: Tensor) -> None:
    encoder = VGG16(width=0.125).eval()
    decoder = SegNetDecoder(encoder).eval()
    with torch.no_grad():
        levels = encoder(image)
        features = levels[-1].next
        shapes = []
        for number, level in enumerate(reversed(levels)):
            features = decoder.block(number, features, level.indices).last
            shapes.append(tuple(features.shape[1:]))
    assert shapes == [(64, 4, 2), (32, 8, 4), (16, 16, 8), (8, 32, 16), (8, 64, 32)]
