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
