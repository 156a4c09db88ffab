"""Other people's networks, from a checkout of their code, beside ours of the same kind.

Their scripts build a network from a class, and then load data and train. Only the class is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg import assembly
from auxseg.bench.clock import Work
from auxseg.bench.networks import autocast, count_flops
from auxseg.config import Config, ModelConfig
from auxseg.errors import DataError, UsageError
from auxseg.models import MultiTaskModel
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

#: The peers that are known, and where their code is.
PEERS = {"mtan": "https://github.com/lorenmt/mtan"}

#: Channels of the dense outputs of lorenmt/mtan: 13 classes, depth, surface normals.
_DENSE = {"semantic": 13, "depth": 1, "normal": 3}


def peer_works(
    name: str, folder: Path, config: Config, device: torch.device
) -> dict[str, dict[str, Work]]:
    """Like for like: title → ``{"ours": Work, "theirs": Work}``, a training step each.

    Both networks of a pair read the same images, give outputs of the same channels and have the
    same loss, the mean square of all outputs. Theirs computes as its own code does it: in float32,
    updated by ``torch.optim.Adam``. Ours is updated by fused AdamW, and computes as configured.

    Raises:
        UsageError: an unknown peer.
        DataError: the folder is no checkout of it.
    """
    size = config.data.image_size
    assert size is not None
    image = torch.rand(config.training.batch_size, 3, size, size, device=device)
    works = {}
    for title, (ours, theirs) in peer_networks(name, folder).items():
        assembly.set_up(ours.to(device), config.training)
        works[title] = {
            "ours": network_step(ours, image, fused, autocast(config, device)),
            "theirs": network_step(theirs.to(device), image, unfused),
        }
    return works


def peer_networks(name: str, folder: Path) -> dict[str, tuple[MultiTaskModel, nn.Module]]:
    """Title → our network and theirs, of the same kind and with outputs of the same channels."""
    if name not in PEERS:
        raise UsageError(f"--peer {name}: unknown; allowed are {', '.join(PEERS)}")
    scripts = folder / "im2im_pred"
    one, three = scripts / "model_segnet_single.py", scripts / "model_segnet_mtan.py"
    return {
        "SegNet, one dense task": (_ours("hard-sharing", ["semantic"]), _theirs(one)),
        "MTAN as published, three dense tasks": (_ours("mtan-full", list(_DENSE)), _theirs(three)),
    }


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
            f"{script}: cannot be read; --peer mtan=PATH takes a checkout of {PEERS['mtan']}"
        ) from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if [node.name for node in classes] != ["SegNet"]:
        raise DataError(f"{script}: holds no class SegNet alone, as {PEERS['mtan']} does")
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


def network_step(
    model: nn.Module,
    image: Tensor,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Work:
    """Forward pass, mean square of all outputs, backward pass, update."""
    model.train()
    optimizer = make_optimizer(model)

    def run() -> None:
        optimizer.zero_grad()
        with precision():
            outputs = _tensors(model(image))
        torch.stack([output.float().square().mean() for output in outputs]).sum().backward()
        optimizer.step()

    return Work(run, count_flops(run), len(image))


def fused(model: nn.Module) -> torch.optim.Optimizer:
    """As we train."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


def unfused(model: nn.Module) -> torch.optim.Optimizer:
    """As lorenmt/mtan trains."""
    return torch.optim.Adam(model.parameters(), lr=1e-4)


def _tensors(outputs: Any) -> list[Tensor]:
    """The outputs of either: a tensor, a dictionary, or theirs: (list of outputs, log sigma)."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return list(outputs.values()) if isinstance(outputs, dict) else list(outputs[0])
