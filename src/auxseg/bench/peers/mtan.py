"""lorenmt/mtan: SegNet with one task, and MTAN as published, from a checkout of its code.

Its scripts build a network from a class, and then load data and train. Only the class is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from auxseg import assembly
from auxseg.bench.peers.base import Pair
from auxseg.config import Config, ModelConfig
from auxseg.errors import DataError, UsageError
from auxseg.models import MultiTaskModel
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

ADDRESS = "https://github.com/lorenmt/mtan"

#: Channels of its dense outputs: 13 classes, depth, surface normals.
_DENSE = {"semantic": 13, "depth": 1, "normal": 3}


def mtan(place: Path | None, configs: Mapping[str, Config]) -> dict[str, Pair]:
    """Both of its networks beside ours, whatever the presets."""
    if place is None:
        raise UsageError(f"--peer mtan: name a checkout of {ADDRESS} (--peer mtan=PATH)")
    config = next(iter(configs.values()))
    scripts = place / "im2im_pred"
    one, three = scripts / "model_segnet_single.py", scripts / "model_segnet_mtan.py"
    return {
        "SegNet, one dense task": Pair(
            _ours("hard-sharing", ["semantic"]), _theirs(one), config, unfused
        ),
        "MTAN as published, three dense tasks": Pair(
            _ours("mtan-full", list(_DENSE)), _theirs(three), config, unfused
        ),
    }


def unfused(model: nn.Module) -> torch.optim.Optimizer:
    """As lorenmt/mtan trains."""
    return torch.optim.Adam(model.parameters(), lr=1e-4)


def _ours(architecture: str, tasks: Sequence[str]) -> MultiTaskModel:
    outputs = {task: HeadSpec("dense", _DENSE[task]) for task in tasks}
    model = assembly.connect(ModelConfig(architecture=architecture), outputs)
    initialise(model, seed=0)
    return model


def _theirs(script: Path) -> nn.Module:
    """The network class of a script, which is not run beyond it."""
    try:
        tree = ast.parse(script.read_text(encoding="utf-8"), str(script))
    except (OSError, SyntaxError, UnicodeDecodeError):
        raise DataError(
            f"{script}: cannot be read; --peer mtan=PATH takes a checkout of {ADDRESS}"
        ) from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if [node.name for node in classes] != ["SegNet"]:
        raise DataError(f"{script}: holds no class SegNet alone, as {ADDRESS} does")
    # What the class body finds around it in its own script.
    around: dict[str, Any] = {
        "nn": nn,
        "F": F,
        "torch": torch,
        "opt": SimpleNamespace(task="semantic"),
    }
    exec(compile(ast.Module(body=list(classes), type_ignores=[]), str(script), "exec"), around)
    network = around["SegNet"]()
    assert isinstance(network, nn.Module)
    return network
