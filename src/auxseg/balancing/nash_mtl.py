"""Multi-task learning as a bargaining game (Navon et al. 2022, Nash-MTL)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from auxseg.balancing.gradients import GradientBalancer, gram
from auxseg.errors import UsageError

#: Least eigenvalue of the gradients' cosines: parallel ones, and those that cancel, stay solvable
#: whatever was rounded.
LEAST = 1e-6
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
                f"training.balancer_options.max_norm: must be at least 0, got {max_norm:g}"
            )
        self.max_norm = max_norm

    def combine(self, jacobian: Tensor) -> tuple[Tensor, Tensor | None]:
        gramian, scale = gram(jacobian)
        found = bargain(gramian.numpy()) / max(scale, 1e-300) ** 0.5
        alpha = torch.from_numpy(found).to(jacobian)
        vector = alpha @ jacobian
        if self.max_norm:
            factor = (self.max_norm / vector.norm().clamp_min(1e-30)).clamp_max(1.0)
            vector, alpha = factor * vector, factor * alpha
        return vector, alpha


def bargain(gramian: np.ndarray) -> np.ndarray:
    """α ≥ 0, (T,), with G α = 1/α for a symmetric positive semi-definite G, float64 (T, T).

    With lengths l = √diag G and cosines C, G = diag(l) C diag(l), it is C β = 1/β for β = l α: so
    tasks of very different lengths are no harder. Damped Newton: ½ βᵀCβ − Σ log β is
    self-concordant, so steps of 1/(1+λ), λ the Newton decrement, never leave β > 0 and always
    arrive. A task without a gradient gets 0.
    """
    lengths = np.sqrt(np.clip(np.diag(gramian), 0, None))
    there = lengths > 0
    alpha = np.zeros(len(gramian))
    if not there.any():
        return alpha
    lengths = lengths[there]
    cosines = gramian[np.ix_(there, there)] / np.outer(lengths, lengths)
    values, vectors = np.linalg.eigh(cosines)
    cosines = vectors @ np.diag(np.maximum(values, LEAST)) @ vectors.T
    beta = np.ones(len(cosines))
    for _ in range(MAX_STEPS):
        slope = cosines @ beta - 1 / beta
        direction = np.linalg.solve(cosines + np.diag(beta**-2), slope)
        decrement = float(np.sqrt(np.maximum(slope @ direction, 0.0)))
        beta = beta - direction / (1 + decrement)
        if decrement < 1e-9:
            break
    alpha[there] = beta / lengths
    return alpha
