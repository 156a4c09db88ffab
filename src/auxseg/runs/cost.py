"""What a system costs: parameters and arithmetic of a forward pass, without running it.

The network is built and run on torch's ``meta`` device, which knows shapes and no numbers, so the
cost of a large system is known in a second on a machine that could never train it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from auxseg import assembly
from auxseg.config import Config
from auxseg.types import ClassNames


@dataclass(frozen=True)
class Cost:
    """What one system costs.

    Attributes:
        parameters: number of the network's parameters.
        flops: of the forward pass of one image with all its views; a multiply-add counts as two.
    """

    parameters: int
    flops: int


def count_parameters(config: Config, classes: ClassNames) -> int:
    """The number of a system's parameters."""
    with torch.device("meta"):
        model = assembly.assemble(config, assembly.make_tasks(config, classes))
    return sum(parameter.numel() for parameter in model.parameters())


def cost(config: Config, classes: ClassNames) -> Cost:
    """Counts a system's cost at its image size and batch size."""
    tasks = assembly.make_tasks(config, classes)
    size = config.data.image_size
    assert size is not None  # resolved, as in every run's file
    batch = config.training.batch_size
    with torch.device("meta"):
        model = assembly.assemble(config, tasks).train()
        views = assembly.make_views(config, tasks)
        inputs = {view: torch.zeros(batch, views.channels, size, size) for view in views.routes}
        with FlopCounterMode(display=False) as counter:
            model.forward_views(inputs, views.routes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, counter.get_total_flops() // batch)
