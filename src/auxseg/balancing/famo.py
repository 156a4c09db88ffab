"""Fast Adaptive Multitask Optimization (Liu, Feng, Stone and Liu 2023, FAMO)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.base import LossBalancer, named, stacked
from auxseg.config.option import check_range

#: Keeps the logarithm of a loss finite.
EPSILON = 1e-8
#: Adam's own constants (Kingma and Ba 2015).
BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8


class FAMO(LossBalancer):
    """Steers so that the logarithms of all losses fall equally fast (Algorithm 1).

    With z = softmax(ξ) the weights are w_t = (z_t / L_t) / Σ_k (z_k / L_k); their sum is 1. After
    the update the same batch's losses L′ are taken once more (a forward pass without gradients),
    and Adam moves ξ along −J δ, δ_t = log L_t − log L′_t and J = ∂z/∂ξ: a task that improved least
    gains weight. Only tasks with a label take part, in z and in Adam's averages: they are ours, as
    an optimiser would move absent tasks by its momentum.

    Args:
        lr: Adam's learning rate of ξ; 0.025 as in the authors' code.
        decay: the pull of ξ back to 0 (γ in the publication), as L2 in Adam's gradient.
    """

    LOOKS_BACK = True

    xi: Tensor
    first: Tensor
    second: Tensor
    steps: Tensor

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        lr: float = 0.025,
        decay: float = 1e-3,
    ) -> None:
        super().__init__(weights, regression)
        check_range("training.balancer_options.lr", lr, above=0)
        check_range("training.balancer_options.decay", decay, minimum=0)
        self.lr, self.decay = lr, decay
        #: ξ, Adam's two averages and its step counts, (T,) each.
        for name in ("xi", "first", "second", "steps"):
            self.register_buffer(name, torch.zeros(len(self.names)))
        self._before: dict[str, Tensor] = {}

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self._before = dict(values)  # until look_back, in the same step
        share = self.xi[self.positions(values)].softmax(dim=0)
        raw = share / (stacked(values) + EPSILON)
        return named(values, raw / raw.sum())

    def look_back(self, values: Mapping[str, Tensor]) -> None:
        positions = self.positions(values)
        before = stacked({name: self._before[name] for name in values})
        gain = (before + EPSILON).log() - (stacked(values) + EPSILON).log()
        xi = self.xi[positions]
        share = xi.softmax(dim=0)
        # Jᵀδ of a softmax, and the decay.
        slope = share * (gain - (share * gain).sum()) + self.decay * xi
        count = self.steps[positions] + 1
        first = BETAS[0] * self.first[positions] + (1 - BETAS[0]) * slope
        second = BETAS[1] * self.second[positions] + (1 - BETAS[1]) * slope.square()
        ratio = (first / (1 - BETAS[0] ** count)) / (
            (second / (1 - BETAS[1] ** count)).sqrt() + ADAM_EPSILON
        )
        self.xi[positions] = xi - self.lr * ratio
        self.first[positions], self.second[positions] = first, second
        self.steps[positions] = count
