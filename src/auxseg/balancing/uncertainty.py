"""Uncertainty weighting (Kendall, Gal and Cipolla 2018)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.learned import LearnedBalancer


class Uncertainty(LearnedBalancer):
    """Σ_t a_t e^{−s_t} L_t + ½ s_t, a = ½ for a squared error and 1 for a cross-entropy.

    s_t = log σ_t² is learned (eq. 7 and 10, in the stable form of section 3.2). With every s at
    its optimum a task's share is ½, whatever the scale of its loss.
    """

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: (0.5 if name in self.regression else 1.0) * torch.exp(-self.s[name])
            for name in values
        }

    def penalty(self, names: Collection[str]) -> Tensor:
        return 0.5 * torch.stack([self.s[name] for name in names]).sum()
