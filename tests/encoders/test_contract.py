"""What an encoder of timm says of itself is so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from auxseg.assembly import connect
from auxseg.config import ModelConfig
from auxseg.errors import UsageError
from auxseg.models.encoders import find_encoder

from .models import HEADS, KINDS, encoder, image, make


@pytest.mark.parametrize("name", KINDS)
def test_levels_have_the_channels_and_strides_that_it_says(name: str) -> None:
    kind, found = KINDS[name], encoder(name).eval()
    with torch.no_grad():
        levels = found(image())
    assert found.strides == (2, 4, 8, 16, 32)
    assert (found.out_stride, found.staged, found.unpools) == (32, kind.staged, False)
    assert tuple(level.first is not level.last for level in levels) == kind.split
    for level, channels, first, stride in zip(
        levels, found.channels, found.first_channels, found.strides, strict=True
    ):
        size = (64 // stride, 96 // stride)
        assert level.last.shape == (2, channels, *size)
        assert level.first.shape == (2, first, *size)


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].made < 5])
def test_its_levels_are_timm_s_own_behind_those_that_are_made(name: str) -> None:
    found = encoder(name).eval()
    given = image(2, 224, 224)  # which all of them take as it is
    with torch.no_grad():
        levels, expected = found(given), found.net(given)
    own = levels[KINDS[name].made :]
    assert len(own) == len(expected)
    for level, features in zip(own, expected, strict=True):
        if features.shape[1] != level.last.shape[1]:
            features = features.permute(0, 3, 1, 2)
        torch.testing.assert_close(level.last, features, rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.staged])
def test_stage_by_stage_is_the_whole(name: str) -> None:
    found, features = encoder(name).eval(), image()
    with torch.no_grad():
        for number, level in enumerate(found(image())):
            alone = found.stage(number, features)
            assert torch.equal(alone.last, level.last)
            assert torch.equal(alone.first, level.first)
            features = alone.next


def test_the_last_block_s_normed_grid_is_what_a_vit_s_levels_are_made_of() -> None:
    found, given = encoder("vit_small_patch16_dinov3").eval(), image()
    model = found.net.get_submodule("model")
    with torch.no_grad():
        tokens = model.forward_features(given)[:, model.num_prefix_tokens :]
        grid = tokens.transpose(1, 2).reshape(2, -1, 4, 6)
        levels = found(given)
        for layer, level, stride in zip(found.pyramid, levels, found.strides, strict=True):
            size = (64 // stride, 96 // stride)
            expected = F.interpolate(layer(grid), size, mode="bilinear", align_corners=False)
            torch.testing.assert_close(level.last, expected)


def test_patches_of_14_pixels_see_an_image_whose_grid_is_that_of_stride_16() -> None:
    found = encoder("vit_small_patch14_dinov2").eval()
    seen = []
    found.net.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    found(image(1, 64, 96))
    assert seen == [(1, 3, 56, 84)]


def test_a_model_of_one_size_sees_the_image_at_that_size() -> None:
    found = encoder("hiera_tiny_224").eval()
    seen = []
    found.net.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    found(image(1, 64, 96))
    assert seen == [(1, 3, 224, 224)]


@pytest.mark.parametrize(
    ("name", "mean", "licence"),
    [
        ("mobilenetv4_conv_small", (0.485, 0.456, 0.406), "apache-2.0"),
        ("tf_efficientnet_lite0", (0.5, 0.5, 0.5), "apache-2.0"),
        ("convnextv2_atto", (0.485, 0.456, 0.406), "cc-by-nc-4.0"),
        ("vit_small_patch16_dinov3", (0.485, 0.456, 0.406), "dinov3-license"),
    ],
)
def test_mean_and_licence_are_those_of_its_weights(
    name: str, mean: tuple[float, ...], licence: str
) -> None:
    found = encoder(name)
    assert (found.mean, found.licence) == (mean, licence)


def test_a_global_task_has_no_pyramid_that_it_does_not_read() -> None:
    only = {"classification": HEADS["classification"]}
    config = ModelConfig(encoder="timm:vit_small_patch16_dinov3")
    model, both = connect(config, only).eval(), make("vit_small_patch16_dinov3").eval()
    pyramid = [key for key, _ in model.named_parameters() if ".pyramid." in key]
    assert pyramid
    assert all(key.startswith("encoder.pyramid.4.") for key in pyramid)
    model.load_state_dict(both.state_dict(), strict=False)
    with torch.no_grad():
        found, expected = (one(image())["classification"] for one in (model, both))
    torch.testing.assert_close(found, expected)


# -- what is refused ----------------------------------------------------------------------------


def refused(architecture: str = "hard-sharing", **settings: object) -> str:
    with pytest.raises(UsageError) as caught:
        connect(ModelConfig(architecture=architecture, **settings), HEADS)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("resnet81", "resnet18"),
        ("convnextv2_ato", "convnextv2_atto"),
        ("resnet18.mine", "resnet18."),
    ],
)
def test_an_unknown_model_is_one_line_with_close_names(name: str, close: str) -> None:
    message = refused(encoder=f"timm:{name}")
    assert repr(name) in message
    assert close in message


def test_a_model_of_the_hub_is_unknown_and_not_asked_for() -> None:
    assert "no model" in refused(encoder="timm:hf-hub:timm/resnet18.a1_in1k")


def test_timm_s_models_have_one_width() -> None:
    message = refused(encoder="timm:resnet18", width=0.5)
    assert "model.width" in message
    assert "timm:resnet18" in message


@pytest.mark.parametrize("architecture", ["cross-stitch", "progressive"])
def test_stage_by_stage_architectures_refuse_others_and_name_what_can(architecture: str) -> None:
    message = refused(architecture, encoder="timm:vit_small_patch16_dinov3")
    assert "timm:resnet18" in message
    assert message.endswith("goes with hard-sharing, mtan")


def test_mtan_full_and_segnet_refuse_encoders_without_indices() -> None:
    message = refused("mtan-full", encoder="timm:resnet18")
    assert message.endswith("goes with hard-sharing, mtan, cross-stitch, progressive")
    assert "vgg16" in message
    assert "auto, unet" in refused(encoder="timm:resnet18", decoder="segnet")


# -- starting weights that are drawn ------------------------------------------------------------


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    one = encoder("convnextv2_atto", seed=3).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(6)
    same, other = (encoder("convnextv2_atto", seed=seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(value, same[key]) for key, value in one.items())
    for part in ("net.stages_0.blocks.0.conv_dw.weight", "pyramid.0.0.weight"):
        assert not torch.equal(one[part], other[part])
    torch.manual_seed(5)
    find_encoder("timm:convnextv2_atto")(3, 1.0)
    expected = torch.rand(1)
    assert torch.equal(drawn, expected), "drawing by seed must leave the global generator alone"


def test_the_image_s_channels_change_the_first_convolutions_alone() -> None:
    for name, first in (
        ("resnet18", {"net.conv1.weight"}),
        ("pvt_v2_b0", {"net.patch_embed.proj.weight", "pyramid.0.0.weight"}),
    ):
        rgb, grey = (encoder(name, in_channels=count).state_dict() for count in (3, 1))
        assert {key for key in rgb if not torch.equal(rgb[key], grey[key])} == first
