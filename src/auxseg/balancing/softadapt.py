"""SoftAdapt (Heydari, Thompson and Mehmood 2019)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from auxseg.balancing.history import HistoryBalancer
from auxseg.errors import UsageError

VARIANTS = ("plain", "loss-weighted", "normalised")


class SoftAdapt(HistoryBalancer):
    """w = softmax(β s), s_t the slope of task t's loss over the last epochs. The sum is 1.

    A task whose loss falls slowly, or rises, gains weight. Our reading of "recent losses": the
    least-squares slope per epoch of the epochs' means. Until a task has two epochs all weights are
    equal.

    Args:
        variant: ``plain``; ``loss-weighted``, where w_t ∝ L_t e^{β s_t} with L_t the last epoch's
            mean loss; or ``normalised``, where s is divided by Σ|s| first, so that the losses'
            scales do not matter.
        beta: β; the publication's 0.1 keeps the plain weights nearly equal for losses of size 1.
        window: epochs over which the slope is taken, at least 2.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        variant: str = "plain",
        beta: float = 0.1,
        window: int = 3,
    ) -> None:
        if variant not in VARIANTS:
            raise UsageError(
                f"training.balancer_options.variant: {variant!r} is unknown; allowed are "
                f"{', '.join(VARIANTS)}"
            )
        if window < 2:
            raise UsageError(f"training.balancer_options.window: must be at least 2, got {window}")
        super().__init__(weights, regression, epochs=window, start=1 / len(weights))
        self.variant, self.beta = variant, beta

    def next_weights(self) -> Tensor:
        slopes = torch.stack([_slope(losses) for losses in self.history.unbind(dim=1)])
        if bool(torch.isnan(slopes).any()):
            return torch.full_like(slopes, 1 / len(slopes))
        if self.variant == "normalised":
            slopes = slopes / slopes.abs().sum().clamp_min(1e-12)
        exponents = self.beta * slopes
        if self.variant == "loss-weighted":
            exponents = exponents + self.history[-1].clamp_min(1e-12).log()
        return exponents.softmax(dim=0)


def _slope(losses: Tensor) -> Tensor:
    """Least-squares slope per epoch of the values that are there; NaN for fewer than two."""
    known = losses[~torch.isnan(losses)]
    if len(known) < 2:
        return losses.new_tensor(torch.nan)
    time = torch.arange(len(known), dtype=known.dtype, device=known.device)
    time = time - time.mean()
    return (time * known).sum() / time.square().sum()
