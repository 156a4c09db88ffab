"""Multi-task learning as a bargaining game (Navon et al. 2022, Nash-MTL)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from auxseg.balancing.gradients import GradientBalancer
from auxseg.errors import UsageError

#: Added to the diagonal, relative to its mean: gradients that are zero or parallel stay solvable.
RIDGE = 1e-7
#: Newton's steps; it stops far earlier.
MAX_STEPS = 100


class NashMTL(GradientBalancer):
    """Σ_t α_t g_t with α > 0 such that G α = 1/α, G the Gram matrix of the gradients (eq. 4).

    α is the only minimum of the convex ½ αᵀGα − Σ_t log α_t, found by Newton's method. The
    authors' code, which torchjd follows, approximates it by a sequence of convex programs, needs
    a solver under the GPL and starts from the last step's α; here it is exact, needs no solver and
    remembers nothing.

    Args:
        max_norm: the update's gradient is shortened to this length; 1 as in the authors' code, 0
            for no limit. (Without it the length is √T, whatever the scale of the losses.)
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        max_norm: float = 1.0,
    ) -> None:
        super().__init__(weights, regression)
        if not max_norm >= 0:
            raise UsageError(
                f"training.balancer_options.max_norm: {max_norm:g} is too small, the least allowed "
                "is 0"
            )
        self.max_norm = max_norm

    def combine(self, jacobian: Tensor) -> tuple[Tensor, Tensor | None]:
        gramian = (jacobian @ jacobian.T).double().cpu().numpy()
        alpha = torch.from_numpy(bargain(gramian)).to(jacobian)
        vector = alpha @ jacobian
        if self.max_norm:
            factor = (self.max_norm / vector.norm().clamp_min(1e-30)).clamp_max(1.0)
            vector, alpha = factor * vector, factor * alpha
        return vector, alpha


def bargain(gramian: np.ndarray) -> np.ndarray:
    """α > 0, (T,), with G α = 1/α for a symmetric positive semi-definite G, float64 (T, T).

    Damped Newton: ½ αᵀGα − Σ log α is self-concordant, so steps of 1/(1+λ), λ the Newton
    decrement, never leave α > 0 and always arrive. Zero for a G of zeros.
    """
    mean = float(np.trace(gramian)) / len(gramian)
    if mean <= 0:
        return np.zeros(len(gramian))
    scaled = gramian / mean + RIDGE * np.eye(len(gramian))
    alpha = np.ones(len(gramian))
    for _ in range(MAX_STEPS):
        slope = scaled @ alpha - 1 / alpha
        direction = np.linalg.solve(scaled + np.diag(alpha**-2), slope)
        decrement = float(np.sqrt(np.maximum(slope @ direction, 0.0)))
        alpha = alpha - direction / (1 + decrement)
        if decrement < 1e-9:
            break
    return alpha / np.sqrt(mean)
