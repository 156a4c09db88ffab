"""Fixed weights: the paper's choice (α = 0.7 segmentation, 0.1 classification, 0.2 box)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from auxseg.balancing.base import LossBalancer


class Fixed(LossBalancer):
    """Σ_t α_t L_t with the configured weights α (``tasks.weights``)."""

    USES_WEIGHTS = True

    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.new_full((), self.weights[name]) for name, value in values.items()}
