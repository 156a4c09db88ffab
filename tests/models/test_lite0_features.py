"""EfficientNet-Lite0 computes what timm's does, whose values are recorded."""

from __future__ import annotations

import pytest
import torch

from auxseg.models.encoders.efficientnet_lite import EfficientNetLite0
from encoders import lite0_features


@pytest.mark.parametrize("number", range(5))
def test_levels_are_timm_s(number: int) -> None:
    encoder = EfficientNetLite0().double().eval()
    encoder.load_state_dict(lite0_features.weights(encoder.state_dict()))
    with torch.no_grad():
        levels = [level.last for level in encoder(lite0_features.image())]
    found = lite0_features.record(levels)[number]
    expected = lite0_features.read()[number]
    assert expected["std"] > 0.1  # type: ignore[operator]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_depthwise_convolutions_stay_in_float32_under_autocast_on_a_cpu() -> None:
    """Their bf16 gradient is slower there; the other convolutions gain from bf16."""
    encoder = EfficientNetLite0(width=0.25)
    seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda module, _, features: seen[module.groups > 1].add(features.dtype)
            )
    with torch.autocast("cpu", torch.bfloat16):
        levels = encoder(torch.rand(2, 3, 64, 64))
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}
    levels[-1].last.float().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
