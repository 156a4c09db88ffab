"""Balancers that learn a number per task along with the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import nn

from auxseg.balancing.base import LossBalancer
from auxseg.errors import UsageError


class LearnedBalancer(LossBalancer):
    """Holds s_t, a learned scalar per task that starts at 0.

    The scalars are parameters of their own, so that the optimiser leaves those alone whose task
    has no label in a batch.

    Args:
        lr_factor: their learning rate, as a multiple of the network's. The publications use 1; with
            a small rate and few steps s hardly moves then.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        lr_factor: float = 1.0,
    ) -> None:
        super().__init__(weights, regression)
        if not lr_factor > 0:
            raise UsageError(
                f"training.balancer_options.lr_factor: {lr_factor:g} is not a number above 0"
            )
        self.lr_factor = lr_factor
        self.s = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.names})
