"""Independent component alignment (Senushkin et al. 2023, Aligned-MTL)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from auxseg.balancing.gradients import TorchJDBalancer
from auxseg.errors import UsageError

SCALES = ("min", "median", "rmse")


class AlignedMTL(TorchJDBalancer):
    """The mean of the tasks' gradients after these were made orthogonal and of one length.

    Args:
        scale: that length: the ``min``, ``median`` or root-mean-square (``rmse``) of the singular
            values of the gradients.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str] = (),
        *,
        scale: str = "min",
    ) -> None:
        if scale not in SCALES:
            raise UsageError(
                f"training.balancer_options.scale: {scale!r} is unknown; allowed are "
                f"{', '.join(SCALES)}"
            )
        super().__init__(
            weights, regression, lambda aggregation: aggregation.AlignedMTL(scale_mode=scale)
        )
