"""``timm:NAME`` where timm is not installed, or does not import; how such names are written."""

from __future__ import annotations

import sys
import types

import pytest

from auxseg.api import configure
from auxseg.assembly import CHOICES, connect
from auxseg.errors import UsageError
from auxseg.types import HeadSpec


class Broken(types.ModuleType):
    """Stands for torchvision beside another torch, as timm meets it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("operator torchvision::nms does not exist\nand more of it")


@pytest.mark.parametrize(
    ("module", "why"), [(None, "timm"), (Broken("timm"), "operator torchvision::nms")]
)
def test_a_timm_that_does_not_import_is_one_line(
    module: types.ModuleType | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.delitem(sys.modules, "timm.models", raising=False)
    config = configure("unet-1task", encoder="timm:resnet34", weights="none")
    with pytest.raises(UsageError) as caught:
        connect(config.model, {"segmentation": HeadSpec("dense", 2)})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("model.encoder: ")
    assert why in message
    assert "pip install 'auxseg[encoders]'" in message


def test_names_follow_the_colon() -> None:
    assert CHOICES["model.encoder"] == ("vgg16", "efficientnet-lite0", "timm:NAME")
    assert configure("unet-1task", encoder="timm:resnet18").model.encoder == "timm:resnet18"


@pytest.mark.parametrize("name", ["timm", "timm:", "resnet18", "vgg16:small", "mmseg:resnet18"])
def test_other_names_are_refused_with_all_that_are_allowed(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        configure("unet-1task", encoder=name)
    assert "vgg16, efficientnet-lite0, timm:NAME" in str(caught.value)
