"""Fixed weights: the paper's choice (α = 0.7 segmentation, 0.1 classification, 0.2 box)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import Balancer


class Fixed(Balancer):
    """Σ_t α_t L_t over the tasks that have a label in this batch."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
