"""Random weights: the baseline that a clever balancer has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import LossBalancer, named, stacked


class RandomWeights(LossBalancer):
    """w = softmax(z), z ~ N(0, 1) anew in every step (Lin et al. 2022, RLW). The sum is 1."""

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        losses = stacked(values)
        # Drawn for every task of the system and on the CPU: the same numbers whatever is labelled,
        # and on whatever device.
        drawn = torch.randn(len(self.names))[self.positions(values)].to(losses.device)
        return named(values, drawn.softmax(dim=0))
