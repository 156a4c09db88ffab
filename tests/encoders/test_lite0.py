"""Our EfficientNet-Lite0 against timm's, on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auxseg.models.encoders.efficientnet_lite import EfficientNetLite0
from auxseg.models.weights import read_state

from . import lite0_features
from .models import encoder, image

NAME = "tf_efficientnet_lite0"


def test_what_is_recorded_is_what_timm_computes() -> None:
    for found, expected in zip(lite0_features.timm_s(), lite0_features.read(), strict=True):
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_published_weights_give_timm_s_features(shared: Path) -> None:
    path = shared / "weights" / "tf_efficientnet_lite0_imagenet_fp16.safetensors"
    if not path.is_file():
        pytest.skip(f"no weights: {path} is missing")
    ours, theirs = EfficientNetLite0().eval(), encoder(NAME).eval()
    for one in (ours, theirs):
        assert not one.load(read_state(path), path)
    given = 2 * image() - 1
    with torch.no_grad():
        for level, other in zip(ours(given), theirs(given), strict=True):
            assert float(other.last.std()) > 0.1
            torch.testing.assert_close(level.last, other.last, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(level.first, other.first, rtol=1e-5, atol=1e-5)
