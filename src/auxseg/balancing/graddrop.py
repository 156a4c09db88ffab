"""Gradient sign dropout (Chen et al. 2020, GradDrop)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer


class GradDrop(TorchJDBalancer):
    """In each coordinate one sign is drawn, and only the tasks' entries of that sign are added up.

    The positive sign has the probability ½ (1 + Σ_t g_t / Σ_t |g_t|) (Algorithm 1, lines 10 to 15;
    applied to parameters, not to features). There are no weights of tasks.
    """

    def __init__(self, weights: Mapping[str, float], regression: Collection[str] = ()) -> None:
        super().__init__(weights, regression, lambda aggregation: aggregation.GradDrop())
