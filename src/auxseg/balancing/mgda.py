"""The multiple-gradient descent algorithm (Désidéri 2012; Sener and Koltun 2018, MGDA)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer


class MGDA(TorchJDBalancer):
    """The shortest vector Σ_t w_t g_t with w ≥ 0 and Σ_t w_t = 1; small losses may take it all.

    Args:
        max_iters: of the Frank-Wolfe solver (Sener and Koltun's Algorithm 2).
        epsilon: the step size below which it stops.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        max_iters: int = 100,
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__(
            weights,
            regression,
            lambda aggregation: aggregation.MGDA(epsilon=epsilon, max_iters=max_iters),
        )
