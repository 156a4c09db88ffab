"""Conflict-averse gradient descent (Liu et al. 2021, CAGrad)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer


class CAGrad(TorchJDBalancer):
    """The best worst-task improvement within a ball around the mean gradient (Algorithm 1).

    The weights are 1/T each plus a share c·‖g₀‖ / ‖g_w‖ of the solver's.

    Args:
        c: the ball's radius, as a fraction of the mean gradient's length; 0 gives the mean.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        c: float = 0.4,
    ) -> None:
        super().__init__(weights, regression, lambda aggregation: aggregation.CAGrad(c=c))
