"""Equal weights: every task counts the same (the paper's Fig. 3a)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import Balancer


class Equal(Balancer):
    """Σ_t L_t / T over the T tasks of the system, whatever their configured weights."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(list(losses.values())).sum() / len(self.weights)
