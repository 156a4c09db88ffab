"""Options that have an effect only with another one are refused without it, or withheld."""

from __future__ import annotations

from typing import Any

import pytest

from auxseg.api import configure
from auxseg.assembly import CHOICES
from auxseg.config import dotted, leaves
from auxseg.config.compat import upgraded
from auxseg.config.effects import active, idle
from auxseg.config.parsing import run_options, to_config
from auxseg.config.presets import PRESETS
from auxseg.errors import UsageError

SCRATCH = "segnet-1task-scratch"


def test_needs_name_options() -> None:
    keys = {key for key, _ in leaves()}
    needs = {item.metadata["needs"] for _, item in leaves()} - {None}
    assert {needed.partition("=")[0] for needed in needs} <= keys


@pytest.mark.parametrize("preset", PRESETS)
def test_defaults_have_an_effect(preset: str) -> None:
    assert idle(dotted(configure(preset))) == {}


@pytest.mark.parametrize(
    ("preset", "settings", "words"),
    [
        (SCRATCH, {"weights": "imagenet"}, ["model.weights: imagenet", "model.pretrained"]),
        (SCRATCH, {"weights": "nowhere.pth"}, ["model.weights: nowhere.pth", SCRATCH]),
        (SCRATCH, {"model.calibrate": False}, ["model.calibrate", "model.weights"]),
        ("segnet-1task", {"weights": "none", "grey": "sum"}, ["model.grey", "model.weights"]),
        ("segnet-noisy", {"validate_every": 20}, ["training.validate_every", "training.steps"]),
        ("unet-1task", {"data.scale": 0.5}, ["data.scale", "data.fit is stretch", "data.fit tile"]),
        ("unet-1task", {"rare_crops": 0.1, "fit": "letterbox"}, ["data.rare_crops", "letterbox"]),
    ],
)
def test_an_option_without_effect_is_refused(
    preset: str, settings: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        configure(preset, **settings)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        (SCRATCH, {"weights": "none"}),
        (SCRATCH, {"weights": None}),
        (SCRATCH, {"weights": "vgg.pth", "pretrained": True}),
        ("segnet-1task", {"weights": "vgg.pth", "grey": "sum", "calibrate": False}),
        ("segnet-noisy", {"steps": 200, "validate_every": 20}),
        ("segnet-1task", {"validate_every": None}),
    ],
)
def test_what_has_an_effect_or_changes_nothing_is_taken(
    preset: str, settings: dict[str, Any]
) -> None:
    configure(preset, **settings)


def test_what_needs_something_idle_is_idle_itself() -> None:
    values = dotted(configure("segnet-1task", weights="vgg.pth", calibrate=False))
    kept = active(values | {"model.pretrained": False})
    assert values.keys() - kept.keys() == {"model.weights", "model.calibrate"}


# -- what older versions wrote ------------------------------------------------------------------


def old_run(preset: str, **options: Any) -> dict[str, Any]:
    """The options of a run as 0.1.0 wrote them: nothing was refused for want of an effect."""
    return dotted(configure(preset)) | options


def test_a_run_from_scratch_that_names_weights() -> None:
    options = upgraded(old_run(SCRATCH, **{"model.weights": "imagenet"}))
    assert to_config(SCRATCH, [options], CHOICES) == configure(SCRATCH)


def test_other_options_without_effect() -> None:
    old = {"model.weights": "none", "model.calibrate": False}
    options = upgraded(old_run("segnet-1task", **old))
    assert to_config("segnet-1task", [options], CHOICES) == configure(
        "segnet-1task", weights="none"
    )


def test_what_had_an_effect_is_kept() -> None:
    options = old_run("segnet-1task", **{"model.weights": "vgg.pth", "model.calibrate": False})
    assert upgraded(options) == options


def test_a_run_s_file_is_upgraded_where_it_is_read() -> None:
    content = {"version": "0.1.0", "preset": SCRATCH, "classes": {}, "images": {}}
    content |= {"model": {"pretrained": False, "weights": "generated"}}
    assert run_options(content) == (SCRATCH, {"model.pretrained": False})
