"""Random weights: the baseline that a clever balancer has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import LossBalancer, named, stacked
from auxseg.devices import sent


class RandomWeights(LossBalancer):
    """w = softmax(z), z ~ N(0, 1) anew in every step (Lin et al. 2022, RLW). The sum is 1."""

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        losses = stacked(values)
        # Drawn for every task of the system and on the CPU: the same numbers whatever is labelled,
        # and on whatever device.
        drawn = sent(torch.randn(len(self.names)), losses.device)
        return named(values, drawn[self.positions(values)].softmax(dim=0))
