"""What a system costs: parameters, arithmetic and memory of a training step, without running it.

The network is built and run on torch's ``meta`` device, which knows shapes and no numbers, so the
cost of a large system is known in a second on a machine that could never train it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from auxseg import build
from auxseg.config import Config
from auxseg.types import ClassNames

#: float32 copies of every parameter in training: itself, its gradient, AdamW's two averages.
COPIES = 4


@dataclass(frozen=True)
class Cost:
    """What one system costs.

    Attributes:
        parameters: number of the network's parameters.
        flops: of the forward pass of one image with all its views; a multiply-add counts as two.
        memory: bytes that a training step in float32 holds at its peak, about: parameters,
            gradients, optimiser and what the forward pass keeps for the backward pass. Workspace
            of the convolutions, and torch itself, come on top.
    """

    parameters: int
    flops: int
    memory: int


def count_parameters(config: Config, classes: ClassNames) -> int:
    """The number of a system's parameters."""
    with torch.device("meta"):
        model = build.assemble(config, build.make_tasks(config, classes))
    return sum(parameter.numel() for parameter in model.parameters())


def cost(config: Config, classes: ClassNames) -> Cost:
    """Counts a system's cost at its image size, batch size and number of unlabelled images."""
    tasks = build.make_tasks(config, classes)
    size = config.data.image_size
    assert size is not None  # resolved, as in every run's file
    batch = config.training.batch_size + build.unlabelled_per_step(config)
    with torch.device("meta"):
        model = build.assemble(config, tasks).train()
        views = build.make_views(config, tasks)
        inputs = {view: torch.zeros(batch, views.channels, size, size) for view in views.routes}
        with FlopCounterMode(display=False) as counter:
            kept = _kept_bytes(model, inputs, views.routes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, counter.get_total_flops() // batch, 4 * COPIES * parameters + kept)


def _kept_bytes(model: Any, inputs: dict[str, Tensor], routes: dict[str, tuple[str, ...]]) -> int:
    """Bytes of the tensors that a forward pass keeps for its backward pass; each memory once."""
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor  # held, so that no address is used twice
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model.forward_views(inputs, routes)
        del outputs
    return sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in own)
