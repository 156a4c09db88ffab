"""Which size and how many steps a time allows (docs/fit.md says what each rule rests on)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Sizes to choose from, in pixels; multiples of 32, the stride of the encoders.
SIZES = (96, 128, 160, 192, 224, 256, 320, 384)
#: A size is affordable from so many steps on.
LEAST_STEPS = 300
#: More passes over the photos with a mask than this gain nothing,
MOST_PASSES = 160
#: and fewer steps than this are never too many.
ENOUGH_STEPS = 600
#: How often a run is validated: the weights' average moves slowly.
VALIDATIONS = 10
#: A run that has not even this many steps at the smallest size is told.
FEWEST_STEPS = 60


@dataclass(frozen=True)
class Costs:
    """How long things take here.

    Attributes:
        step: seconds of a training step, by size.
        before: seconds from now until training begins, by size.
        after: seconds after training: measuring, exporting, the report; by size.
        validation: seconds of measuring the validation photos once, by size.
    """

    step: Callable[[int], float]
    before: Callable[[int], float]
    after: Callable[[int], float]
    validation: Callable[[int], float]


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        size: of the network's pictures, in pixels.
        steps: of the optimiser.
        seconds: from now to the end, as far as can be told.
        step: seconds of a step.
    """

    size: int
    steps: int
    seconds: float
    step: float = 0.0

    @property
    def validate_every(self) -> int:
        """Steps from one validation to the next."""
        return -(-self.steps // VALIDATIONS)


def choose(
    costs: Costs,
    seconds: float,
    *,
    masks: int,
    batch_size: int,
    longest_side: int,
    size: int | None = None,
    steps: int | None = None,
) -> Plan:
    """The largest size at which :data:`LEAST_STEPS` fit into the time, then as many steps as fit.

    Photos are never enlarged beyond the next size above their longer side.

    Args:
        seconds: from now to the end.
        masks: photos to train on that have a mask.
        longest_side: of the median photo.
        size, steps: what the user chose; then it is not chosen.
    """
    allowed = [one for one in SIZES if one < longest_side] + [
        one for one in SIZES if one >= longest_side
    ][:1]
    if size is not None:
        allowed = [size]
    most = max(ENOUGH_STEPS, MOST_PASSES * masks // batch_size)

    def fixed(size: int) -> float:
        return costs.before(size) + costs.after(size) + VALIDATIONS * costs.validation(size)

    def fitting(size: int) -> int:
        return int((seconds - fixed(size)) / costs.step(size))

    needed = LEAST_STEPS if steps is None else steps
    chosen = max((one for one in allowed if fitting(one) >= needed), default=min(allowed))
    count = steps or max(1, min(most, fitting(chosen)))
    step = costs.step(chosen)
    return Plan(chosen, count, fixed(chosen) + count * step, step)
