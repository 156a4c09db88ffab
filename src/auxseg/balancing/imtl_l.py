"""The loss balance of Impartial Multi-Task Learning (Liu et al. 2021, IMTL-L)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.learned import LearnedBalancer


class ImtlL(LearnedBalancer):
    """Σ_t e^{s_t} L_t − s_t with s learned (eq. 9, base e): at its optimum every e^s L is 1."""

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.exp(self.s[name]) for name in values}

    def penalty(self, names: Collection[str]) -> Tensor:
        return -torch.stack([self.s[name] for name in names]).sum()
