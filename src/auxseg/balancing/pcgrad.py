"""Gradient surgery (Yu et al. 2020, PCGrad)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer


class PCGrad(TorchJDBalancer):
    """Σ_t g_t, where each g_t loses its part against every other task that it conflicts with.

    The others are met in a random order, one after another (Algorithm 1). Without a conflict it is
    the plain sum, so the weights' sum is T or less or more, as the projections have it.
    """

    def __init__(self, weights: Mapping[str, float], regression: Collection[str] = ()) -> None:
        super().__init__(weights, regression, lambda aggregation: aggregation.PCGrad())
