"""Other people's networks, from a checkout of their code, beside ours of the same kind.

Their scripts build a network from a class, and then load data and train. Only the class is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.bench.clock import Work
from auxseg.bench.networks import count_flops
from auxseg.errors import DataError, UsageError
from auxseg.models import ARCHITECTURES
from auxseg.models.heads import make_head
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

#: The peers that are known, and where their code is.
PEERS = {"mtan": "https://github.com/lorenmt/mtan"}

#: Channels of the dense outputs of lorenmt/mtan: 13 classes, depth, surface normals.
_DENSE = {"semantic": 13, "depth": 1, "normal": 3}


def peer_works(
    name: str, folder: Path, batch: int, size: int, device: torch.device
) -> dict[str, dict[str, Work]]:
    """Like for like: title → ``{"ours": Work, "theirs": Work}``, a training step each.

    Both networks of a pair read the same images, give outputs of the same channels and have the
    same loss, the mean square of all outputs. Each is updated as its own code does it: lorenmt/mtan
    by ``torch.optim.Adam``, ours by fused AdamW.

    Raises:
        UsageError: an unknown peer.
        DataError: the folder is no checkout of it.
    """
    if name not in PEERS:
        raise UsageError(f"--peer {name}: unknown; allowed are {', '.join(PEERS)}")
    scripts = folder / "im2im_pred"
    one, three = scripts / "model_segnet_single.py", scripts / "model_segnet_mtan.py"
    image = torch.rand(batch, 3, size, size, device=device)

    def works(ours: nn.Module, theirs: nn.Module) -> dict[str, Work]:
        return {
            "ours": _step(ours.to(device), image, _fused),
            "theirs": _step(theirs.to(device), image, _plain),
        }

    return {
        "SegNet, one dense task": works(_ours("hard-sharing", ["semantic"]), _theirs(one)),
        "MTAN as published, three dense tasks": works(_ours("mtan-full", _DENSE), _theirs(three)),
    }


def _ours(architecture: str, tasks: Sequence[str] | dict[str, int]) -> nn.Module:
    heads = {task: make_head(HeadSpec("dense", _DENSE[task])) for task in tasks}
    model = ARCHITECTURES[architecture](heads)
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


def _step(
    model: nn.Module, image: Tensor, optimizer_of: Callable[[nn.Module], torch.optim.Optimizer]
) -> Work:
    model.train()
    optimizer = optimizer_of(model)

    def run() -> None:
        optimizer.zero_grad()
        outputs = _tensors(model(image))
        torch.stack([output.square().mean() for output in outputs]).sum().backward()
        optimizer.step()

    return Work(run, count_flops(run), len(image))


def _tensors(outputs: Any) -> list[Tensor]:
    """The outputs of either: a tensor, a dictionary, or theirs: (list of outputs, log sigma)."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return list(outputs.values()) if isinstance(outputs, dict) else list(outputs[0])


def _fused(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


def _plain(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-4)
