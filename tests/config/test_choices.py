"""Options that name one of several things, among them names that only begin as allowed."""

from __future__ import annotations

import pytest

from auxseg.config import Config, DataConfig, TasksConfig
from auxseg.config.choices import check_choice, check_choices
from auxseg.errors import UsageError

ENCODERS = ("vgg16", "timm:NAME")


@pytest.mark.parametrize("value", ["vgg16", "timm:resnet18", "timm:vit.dinov3:x"])
def test_an_open_ending_allows_every_name_after_its_prefix(value: str) -> None:
    check_choice("model.encoder", value, ENCODERS)


@pytest.mark.parametrize("value", ["resnet18", "timm:", "timm", "vgg16:resnet18", "xtimm:resnet18"])
def test_others_are_refused_with_all_that_are_allowed(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_choice("model.encoder", value, ENCODERS)
    for word in ("model.encoder", repr(value), "vgg16, timm:NAME"):
        assert word in str(caught.value)


def test_every_item_of_a_list_is_checked() -> None:
    config = Config("here", tasks=TasksConfig(names=("segmentation", "depth")))
    with pytest.raises(UsageError, match=r"tasks\.names: 'depth'"):
        check_choices(config, {"tasks.names": ("segmentation",)})


def test_what_is_left_to_the_program_is_no_choice() -> None:
    check_choices(Config("here", data=DataConfig(root=None)), {"data.root": ("photos",)})
