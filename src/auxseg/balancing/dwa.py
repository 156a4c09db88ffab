"""Dynamic Weight Average (Liu, Johns and Davison 2019, section 3.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.history import HistoryBalancer
from auxseg.errors import UsageError


class DWA(HistoryBalancer):
    """λ_t = T · softmax(r / temperature)_t, r_t = L_t(e−1) / L_t(e−2) of the epochs' mean losses.

    A task whose loss falls slowly gains weight. All λ are 1 in the first two epochs; their sum is
    the number of tasks T.

    Args:
        temperature: the larger, the more equal the weights; 2 as published.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        temperature: float = 2.0,
    ) -> None:
        super().__init__(weights, regression, epochs=2, start=1.0)
        if not temperature > 0:
            raise UsageError(
                f"training.balancer_options.temperature: {temperature:g} is not a number above 0"
            )
        self.temperature = temperature

    def next_weights(self) -> Tensor:
        before, last = self.history
        # A task without two epochs, or whose loss was 0, counts as one that stands still.
        ratio = torch.nan_to_num(last / before, nan=1.0, posinf=1.0)
        if bool(torch.isnan(before).all()):
            return torch.ones_like(ratio)
        return len(ratio) * (ratio / self.temperature).softmax(dim=0)
