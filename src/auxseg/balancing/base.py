"""What a balancer is: it turns the losses of several tasks into one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Balancer(nn.Module, ABC):
    """Combines task losses. It receives tensors and knows no task but by name.

    A subclass is one file and one line in :data:`auxseg.balancing.BALANCERS`. What it must
    remember over steps lives in buffers and parameters, so that checkpoints hold it.

    Args:
        weights: task name → the weight that the configuration gives it.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The loss to minimise, from those of the tasks that have a label in this batch."""
