"""The configuration: every option explained, ranged, and back from plain values as it was."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from auxseg.api import configure
from auxseg.assembly import CHOICES
from auxseg.config import (
    GROUPS,
    AugmentationConfig,
    Config,
    DataConfig,
    ModelConfig,
    TrainingConfig,
    flags,
    leaves,
    plain,
)
from auxseg.config.parsing import flat_options, to_config
from auxseg.config.presets import PRESETS, preset
from auxseg.errors import UsageError


def test_every_option_has_its_help() -> None:
    for key, item in leaves():
        assert item.metadata["help"], key
        assert "\n" not in item.metadata["help"], key


def test_keys_and_flags_are_distinct() -> None:
    keys = [key for key, _ in leaves()]
    given = [item.metadata["flag"] for _, item in leaves() if item.metadata["flag"]]
    assert len(set(keys)) == len(keys)
    assert len(set(given)) == len(given)


def test_the_short_options_that_every_training_verb_has() -> None:
    """DESIGN, section 4, as far as they are part of the configuration."""
    assert {
        "image_size": "data.image_size",
        "width": "model.width",
        "epochs": "training.epochs",
        "batch_size": "training.batch_size",
        "seed": "training.seed",
        "split": "data.split",
        "limit": "data.limit",
        "labels": "data.labels",
        "accelerator": "training.accelerator",
        "devices": "training.devices",
        "balancer": "training.balancer",
        "weights": "model.weights",
        "data": "data.name",
        "root": "data.root",
        "ignore_index": "data.ignore_index",
    }.items() <= flags().items()


def test_groups_are_the_fields_of_the_configuration() -> None:
    assert [item.name for item in fields(Config)] == ["preset", *GROUPS]
    assert {name: cls().GROUP for name, cls in GROUPS.items()} == {name: name for name in GROUPS}


def test_the_paper_s_training() -> None:
    training = TrainingConfig()
    assert (training.epochs, training.batch_size, training.balancer) == (30, 5, "fixed")


def test_configurations_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().epochs = 3  # type: ignore[misc]


def test_defaults_are_not_shared_between_configurations() -> None:
    assert DataConfig().options is not DataConfig().options


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (TrainingConfig, {"epochs": 0}, "training.epochs: .* at least 1, got 0"),
        (TrainingConfig, {"lr": 0.0}, "training.lr: .* above 0, got 0.0"),
        (TrainingConfig, {"lr": float("nan")}, "training.lr: .* finite .*nan"),
        (TrainingConfig, {"weight_decay": float("inf")}, "training.weight_decay: .*inf"),
        (TrainingConfig, {"warmup": 1.5}, "training.warmup: .* at most 1, got 1.5"),
        (TrainingConfig, {"clip_norm": 0.0}, "training.clip_norm: .*0.0"),
        (ModelConfig, {"width": 0.0}, "model.width: .*0.0"),
        (ModelConfig, {"width": -1.0}, "model.width: .*-1.0"),
        (DataConfig, {"image_size": 7}, "data.image_size: .* at least 8, got 7"),
        (DataConfig, {"limit": 0}, "data.limit: .*0"),
        (DataConfig, {"labels": -3}, "data.labels: .*-3"),
        (DataConfig, {"num_workers": -1}, "data.num_workers: .*-1"),
        (AugmentationConfig, {"flip": 1.01}, "augmentation.flip: .*1.01"),
        (AugmentationConfig, {"scale": (0.0, 1.0)}, "augmentation.scale: .*0.0"),
        (AugmentationConfig, {"hue": 181.0}, "augmentation.hue: .*181.0"),
    ],
)
def test_a_value_out_of_range_names_key_value_and_limit(
    group: type, values: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        group(**values)
    assert "\n" not in str(caught.value)


def test_no_device_is_not_enough() -> None:
    with pytest.raises(UsageError, match=r"training\.devices: must be at least 1"):
        TrainingConfig(devices=0)
    assert TrainingConfig(devices=(0, 1)).devices == (0, 1)  # which ones, counted from 0


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ({}, "imagenet"),
        ({"pretrained": False}, "none"),
        ({"weights": "none"}, "none"),
        ({"weights": "vgg.safetensors"}, "vgg.safetensors"),
    ],
)
def test_a_configuration_says_which_weights_it_starts_from(
    values: dict[str, Any], weights: str
) -> None:
    assert ModelConfig(**values).weights == weights


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (TrainingConfig, {"epochs": 1, "seed": 0, "warmup": 1, "weight_decay": 0}),
        (DataConfig, {"image_size": 8, "num_workers": 0, "limit": None}),
        (AugmentationConfig, {"flip": 0, "rotation": 180, "scale": (1.0, 1.0)}),
    ],
)
def test_the_limits_themselves_are_allowed(group: type, values: dict[str, float]) -> None:
    made = group(**values)
    assert {name: getattr(made, name) for name in values} == values


def test_plain_holds_plain_values_only() -> None:
    values = plain(configure("mtan-3task", width=0.5))
    assert values["preset"] == "mtan-3task"
    assert values["model"]["width"] == 0.5
    assert values["tasks"]["names"] == ["segmentation", "classification", "bbox"]
    assert values["augmentation"]["scale"] == [0.8, 1.25]


@pytest.mark.parametrize("name", PRESETS)
def test_plain_and_back(name: str) -> None:
    config = configure(
        name,
        image_size=96,
        limit=10,
        devices=2,
        **{
            "tasks.weights": {"segmentation": 0.5},
            "tasks.options": {"segmentation": {}},
            "data.options": {"train": 20, "label": "kind"},
            "augmentation.scale": (0.5, 2.0),
        },
    )
    values = plain(config)
    again = to_config(values.pop("preset"), [flat_options(values)], CHOICES)
    assert again == config


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_architecture_start_and_tasks(name: str) -> None:
    config, system = configure(name), PRESETS[name]
    assert config.model.architecture == system.architecture
    assert config.model.pretrained == system.pretrained
    assert config.model.weights == ("imagenet" if system.pretrained else "none")
    assert config.tasks.names == ("segmentation", *system.auxiliary)
    assert config.preset == name


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        preset("segnet-2task")
    assert all(name in str(caught.value) for name in PRESETS)
    assert "\n" not in str(caught.value)
