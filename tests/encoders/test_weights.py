"""Weights of timm: from a file, published, and for images of one channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from auxseg.errors import DataError
from auxseg.models.encoders import Encoder, find_encoder
from auxseg.models.weights import read_state

from .models import encoder, image

timm = pytest.importorskip("timm", reason="timm does not import")

NAMES = ("resnet18", "convnextv2_atto", "tf_efficientnet_lite0", "mobilenetv4_conv_small")


def native(name: str, **options: Any) -> dict[str, Tensor]:
    """The tensors of a whole model, its classifier included, by the names that its files have."""
    torch.manual_seed(7)
    state = dict(timm.create_model(name, **options).state_dict())
    for value in state.values():
        if value.is_floating_point():
            value += 0.01 * torch.rand(value.shape)  # also what timm starts at zero or one
    return state


@pytest.mark.parametrize("classes", [1000, 37, 0])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_what_timm_gives_whatever_its_classifier(
    name: str, classes: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.safetensors"
    save_file(native(name, num_classes=classes), path)
    found = encoder(name).eval()
    assert not found.load(read_state(path), path)
    assert capfd.readouterr() == ("", "")
    overlay = {"file": str(path), "num_classes": 2}
    expected = timm.create_model(
        name, features_only=True, pretrained=True, pretrained_cfg_overlay=overlay
    ).eval()
    with torch.no_grad():
        pairs = zip(found(image())[-4:], expected(image())[-4:], strict=True)
        for level, features in pairs:
            assert float(features.std()) > 0
            torch.testing.assert_close(level.last, features, rtol=0, atol=0)


def test_a_vision_transformer_s_file_holds_its_last_norm_as_well() -> None:
    name = "vit_small_patch14_dinov2"
    state, found = native(name, num_classes=5), encoder(name).eval()
    assert not found.load(state, Path("own.pth"))
    model = timm.create_model(name, num_classes=5, dynamic_img_size=True).eval()
    model.load_state_dict(state)
    given = image(2, 56, 84)
    with torch.no_grad():
        (grid,) = found.net(given)
        tokens = model.forward_features(given)[:, model.num_prefix_tokens :]
    torch.testing.assert_close(grid.flatten(2).transpose(1, 2), tokens, rtol=0, atol=0)


# -- files that do not fit ----------------------------------------------------------------------


def refused(found: Encoder, state: dict[str, Tensor]) -> str:
    before = {key: value.clone() for key, value in found.state_dict().items()}
    with pytest.raises(DataError) as caught:
        found.load(state, Path("own.safetensors"))
    assert all(torch.equal(before[key], value) for key, value in found.state_dict().items())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("own.safetensors: ")
    return message


@pytest.mark.parametrize("missing", ["layer3.1.conv2.weight", "bn1.running_var"])
def test_a_missing_key_is_named(missing: str) -> None:
    state = native("resnet18")
    del state[missing]
    message = refused(encoder("resnet18"), state)
    assert missing in message
    assert "timm:resnet18" in message


def test_what_its_levels_do_not_need_may_be_missing() -> None:
    state = native("convnextv2_atto")
    kept = {key: value for key, value in state.items() if not key.startswith("head.")}
    assert len(kept) < len(state)
    assert not encoder("convnextv2_atto").load(kept, Path("own.pth"))


def test_a_key_of_another_shape_is_named() -> None:
    state = native("resnet18")
    state["layer1.0.conv1.weight"] = torch.zeros(8, 64, 3, 3)
    message = refused(encoder("resnet18"), state)
    assert "layer1.0.conv1.weight" in message
    assert "[8, 64, 3, 3]" in message


@pytest.mark.parametrize("other", ["tf_efficientnet_lite0", "vit_small_patch14_dinov2", None])
@pytest.mark.parametrize("name", ["resnet18", "vit_small_patch16_dinov3", "pvt_v2_b0"])
def test_another_model_s_file_is_one_line(name: str, other: str | None) -> None:
    assert f"timm:{name}" in refused(encoder(name), native(other) if other else {})


# -- published ones -----------------------------------------------------------------------------


def test_published_weights_are_timm_s_pretrained_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "published.safetensors"
    save_file(native("resnet18"), path)
    create = timm.create_model

    def served(name: str, pretrained: bool = False, **options: Any) -> Any:
        overlay = {"file": str(path)} if pretrained else None
        return create(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **options)

    monkeypatch.setattr(timm, "create_model", served)
    found, expected = encoder("resnet18"), encoder("resnet18", seed=1)
    found.load_published()
    monkeypatch.undo()
    expected.load(read_state(path), path)
    own = expected.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in found.state_dict().items())


def test_published_weights_that_cannot_be_had_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found, create = encoder("resnet18"), timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no network\nand more of it")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DataError) as caught:
        found.load_published()
    assert "timm:resnet18" in str(caught.value)
    assert "(no network)" in str(caught.value)
    assert "--weights" in str(caught.value)


# -- images of one channel ----------------------------------------------------------------------


@pytest.mark.parametrize("grey", ["skip", "sum"])
def test_the_first_convolution_of_one_channel(grey: str) -> None:
    state, found = native("resnet18"), encoder("resnet18", in_channels=1)
    drawn = found.net.get_parameter("conv1.weight").clone()
    found.load(state, Path("own.pth"), grey)
    first = found.net.get_parameter("conv1.weight")
    expected = drawn if grey == "skip" else state["conv1.weight"].sum(dim=1, keepdim=True)
    assert torch.equal(first, expected)
    assert torch.equal(found.net.get_parameter("bn1.weight"), state["bn1.weight"])
    assert find_encoder("timm:resnet18")(1, 1.0)(image(2, 64, 64, 1))[-1].last.shape[1] == 512
