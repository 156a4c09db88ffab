"""Starting weights that depend on the seed and on each module's own name, and on nothing else.

So two systems with the same seed share all they have in common, and adding a head shifts nothing.
"""

from __future__ import annotations

import torch
from torch import nn

from auxseg.models.encoders.base import Encoder
from auxseg.models.heads import DenseHead, FinalLinear
from auxseg.seeding import keyed_generator, keyed_seed

#: Standard deviation of the heads' last weights.
FINAL_STD = 0.01


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Draws every weight anew, with zero biases and batch norms at one.

    An encoder may have a rule of its own (:meth:`~auxseg.models.encoders.base.Encoder.draw`).

    Layers before a ReLU follow He et al. 2015 (fan-in); the last layers of the heads start near
    zero, so that every task starts from an uninformed prediction and no loss drowns the others.
    """
    drawn: set[nn.Module] = set()
    for name, module in model.named_modules():
        if isinstance(module, Encoder):
            own = module.draw(keyed_seed(seed, name))
            drawn |= set(own.modules()) if own is not None else set()
        if module in drawn:
            continue
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            generator = keyed_generator(seed, name)
            if isinstance(module, (DenseHead, FinalLinear)):
                nn.init.normal_(module.weight, std=FINAL_STD, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
            module.reset_running_stats()
