"""The geometric mean of the losses: our reading of the "GM" that the paper tried."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from auxseg.balancing.base import LossBalancer, named, stacked

#: Below this a loss counts as this much: the logarithm of 0 has no gradient.
LEAST = 1e-8


class Geometric(LossBalancer):
    """exp(mean_t log L_t) (Chennupati et al. 2019, MultiNet++, eq. 3).

    Its gradient is that of Σ_t w_t L_t with w_t = GM / (T L_t) over the T tasks with a label, which
    is what is used here, with the losses of all processes in w. The weights have no fixed sum.
    """

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        losses = stacked(values).clamp_min(LEAST)
        mean = losses.log().mean().exp()
        return named(values, mean / (len(losses) * losses))
