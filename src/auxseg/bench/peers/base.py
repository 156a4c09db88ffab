"""What every comparison with other people's networks has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from auxseg import assembly
from auxseg.bench.clock import Work
from auxseg.bench.networks import autocast, count_flops
from auxseg.config import Config
from auxseg.models import MultiTaskModel


def fused(model: nn.Module) -> torch.optim.Optimizer:
    """As we train."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


@dataclass(frozen=True)
class Pair:
    """Two networks of the same kind, with outputs of the same channels.

    Attributes:
        config: of ours.
        optimizer: of theirs.
    """

    ours: MultiTaskModel
    theirs: nn.Module
    config: Config
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] = fused


class Peer(Protocol):
    """Other people's networks. One is a file in this folder and a line in its dict."""

    def __call__(self, place: Path | None, configs: Mapping[str, Config]) -> dict[str, Pair]:
        """Makes what can be compared.

        Args:
            place: where their code is, as the user says (``--peer NAME=PATH``).
            configs: preset → the configuration that is measured.

        Returns:
            title → pair.

        Raises:
            UsageError: their package is missing, or nothing of the presets compares.
            DataError: the folder does not hold their code.
        """


def works_of(pair: Pair, device: torch.device) -> dict[str, Work]:
    """Like for like: a training step of ours and of theirs, on the same images.

    Both have the same loss, the mean square of all outputs. Theirs computes as its own code does
    it: in float32, uncompiled. Ours is updated by fused AdamW, and computes as configured.
    """
    size = pair.config.data.image_size
    assert size is not None
    image = torch.rand(pair.config.training.batch_size, 3, size, size, device=device)
    assembly.set_up(pair.ours.to(device), pair.config.training)
    return {
        "ours": network_step(pair.ours, image, fused, autocast(pair.config, device)),
        "theirs": network_step(pair.theirs.to(device), image, pair.optimizer),
    }


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
        total = torch.stack([output.float().square().mean() for output in outputs]).sum()
        torch.autograd.backward(total)
        optimizer.step()

    return Work(run, count_flops(run), len(image))


def _tensors(outputs: Any) -> list[Tensor]:
    """A tensor, a dictionary of them, or, of lorenmt/mtan, (list of outputs, log sigma)."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return list(outputs.values()) if isinstance(outputs, dict) else list(outputs[0])
