"""Options of verbs that have no effect are refused, and every list may be written in every way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from auxseg.config import Config
from auxseg.experiments import reproduce as table

from .command import TINY, auxseg


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("study", "--cluster-options", "{timeout_min: 5}"), ("--cluster-options", "--cluster")),
        (("study", "--cluster-options.timeout_min", "5"), ("--cluster-options", "--cluster")),
        (("study", "--jobs", "2", "--collect"), ("--jobs", "--collect")),
        (("study", "--jobs", "2", "--cluster", "local"), ("--jobs", "--cluster")),
        (("study", "--cluster", "local", "--collect"), ("--cluster", "--collect")),
        (("study", "--model.calibrate", "false"), ("model.calibrate", "model.weights")),
        (("study", "--training.validate_every", "2"), ("validate_every", "training.steps")),
        (("study", "--auxiliary", "bbox,bbox"), ("--auxiliary", "bbox", "twice")),
        (("study", "--auxiliary", ""), ("--auxiliary", "empty")),
        (("study", "--labels", "[]"), ("--labels", "empty")),
        (("export", "nowhere", "--root", "photos"), ("--root", "--int8")),
        (("export", "nowhere", "--tasks", "bbox,bbox"), ("--tasks", "bbox", "twice")),
        (("reproduce", "--presets", ""), ("--presets", "empty")),
        (("reproduce", "--balancer", "dwa", "--equal", "mtan-3task"), ("--equal", "--balancer")),
        (
            ("reproduce", "--presets", "segnet-1task-scratch", "--weights", "imagenet"),
            ("model.weights", "segnet-1task-scratch"),
        ),
        (("reproduce", "--training.validate_every", "2"), ("training.validate_every",)),
    ],
)
def test_refused(line: Sequence[str], words: Sequence[str], tmp_path: Path) -> None:
    auxseg(*line, "--out", tmp_path / "out.onnx").failed(2, *words)
    assert not (tmp_path / "out.onnx").exists()


def reproduced(monkeypatch: pytest.MonkeyPatch, out: Path, *options: str) -> dict[str, Config]:
    """The configurations that `reproduce` would train."""
    found: dict[str, Config] = {}

    def take(configs: Sequence[Config], *_: Any, **__: Any) -> list[str]:
        found.update({table.folder_name(config): config for config in configs})
        return []

    monkeypatch.setattr(table, "reproduce", take)
    auxseg("reproduce", *options, "--out", out).succeeded()
    return found


@pytest.mark.parametrize("presets", ["segnet-1task-scratch,segnet-1task", "[segnet-1task]"])
def test_reproduce_withholds_weights_from_presets_that_start_from_scratch(
    presets: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = ("--weights", "vgg.pth", "--model.calibrate", "false", "--presets", presets)
    for name, config in reproduced(monkeypatch, tmp_path, *options).items():
        scratch = name.endswith("scratch")
        assert config.model.weights == ("none" if scratch else "vgg.pth")
        assert config.model.calibrate == scratch


def test_reproduce_on_drawings_pre_trains_where_a_preset_wants_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configs = reproduced(monkeypatch, tmp_path)
    weights = {name: config.model.weights for name, config in configs.items()}
    assert weights["segnet-1task-scratch"] == "none"
    assert set(weights.values()) == {"none", "generated"}
    assert "mtan-3task-equal" in configs
    assert {config.training.epochs for config in configs.values()} == {3}


def test_given_options_win_over_those_of_the_demonstration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configs = reproduced(monkeypatch, tmp_path, *TINY, "--presets", "mtan-3task", "--equal", "none")
    (config,) = configs.values()
    assert config.model.width == 0.05
    assert config.data.options == {"train": 20, "val": 8, "test": 8}
    assert config.training.lr == 3e-3
