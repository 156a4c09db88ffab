"""Equal weights: every task counts the same (the paper's Fig. 3a)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from auxseg.balancing.base import LossBalancer


class Equal(LossBalancer):
    """Σ_t L_t / T over the T tasks of the system.

    A task that lacks a label leaves a gap: its neighbours do not gain by that.
    """

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.new_full((), 1 / len(self.names)) for name, value in values.items()}
