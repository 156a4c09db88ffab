"""The gradient balance of Impartial Multi-Task Learning (Liu et al. 2021, IMTL-G)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer


class ImtlG(TorchJDBalancer):
    """w such that Σ_t w_t g_t has equal projections onto every task's gradient; Σ_t w_t = 1.

    Single weights may be negative. Of linearly dependent gradients torchjd takes the
    pseudo-inverse.
    """

    def __init__(self, weights: Mapping[str, float], regression: Collection[str] = ()) -> None:
        super().__init__(weights, regression, lambda aggregation: aggregation.IMTLG())
