"""Balancers that look at how the losses fell over the last epochs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import LossBalancer, named, stacked


class HistoryBalancer(LossBalancer):
    """Keeps each task's mean loss of the last epochs; its weights hold for a whole epoch.

    The mean runs over the steps in which a task had a label. An epoch without one leaves the
    task's history as it was.

    Args:
        epochs: how many are kept.
    """

    history: Tensor
    total: Tensor
    count: Tensor
    current: Tensor

    def __init__(
        self, weights: Mapping[str, float], regression: Collection[str], epochs: int, start: float
    ) -> None:
        super().__init__(weights, regression)
        tasks = len(self.names)
        #: Mean losses, (epochs, T), the latest last; NaN where there is none yet.
        self.register_buffer("history", torch.full((epochs, tasks), torch.nan))
        self.register_buffer("total", torch.zeros(tasks))
        self.register_buffer("count", torch.zeros(tasks))
        self.register_buffer("current", torch.full((tasks,), start))

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        positions = self.positions(values)
        self.total[positions] += stacked(values)
        self.count[positions] += 1
        return named(values, self.current[positions].clone())

    def end_epoch(self) -> None:
        mean = self.total / self.count
        shifted = torch.cat([self.history[1:], mean[None]])
        self.history.copy_(torch.where(self.count > 0, shifted, self.history))
        self.total.zero_()
        self.count.zero_()
        self.current.copy_(self.next_weights())

    @abstractmethod
    def next_weights(self) -> Tensor:
        """The weights of the next epoch, (T,), from :attr:`history`."""
