"""Watches for losses that are not finite: says where they came from, and stops or skips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError

#: Steps between looks at the losses, for each of which the processor waits until a GPU has got
#: there. In between one process runs ahead of its GPU, which so is never idle; several agree on the
#: number of labels in every step.
LOOK_EVERY = 20

#: So many steps in a row that are skipped are no accident.
MOST_IN_A_ROW = 20


class SkipStep(Exception):  # noqa: N818 - no error: the step is left out
    """The losses of this step are not finite, and training is to go on without it."""


@dataclass
class _Seen:
    """The losses of a step that nobody has looked at yet.

    Attributes:
        step: of the run, counted from 1.
        images: int64 (N,), the numbers of its images.
        samples: task name → the loss of each image, as far as they are known.
    """

    step: int
    images: Tensor
    values: Mapping[str, Tensor]
    samples: Mapping[str, Tensor] = field(default_factory=dict)

    def blamed(self, bad: Sequence[str]) -> list[int]:
        """The images whose own loss is not finite; all where that is not known."""
        own = [self.samples[name] for name in bad if name in self.samples]
        if not own or any(len(one) != len(self.images) for one in own):
            return [int(number) for number in self.images]
        wrong = torch.stack([~one.isfinite() for one in own]).any(dim=0)
        return [int(number) for number in self.images[wrong if wrong.any() else ~wrong]]


class Guard:
    """Looks at losses, every few steps or in each.

    Args:
        config: says whether to stop or to skip, and what the message advises.
        every_step: whether losses must be finite before anything is made of them: gradient
            methods wait for the GPU anyway, and their solvers take nothing else.

    Attributes:
        name: an image's number → its name.
        last: the losses last looked at, for the progress bar.
        skipped: steps of this epoch that were left out.
    """

    def __init__(self, config: TrainingConfig, *, every_step: bool) -> None:
        self.config = config
        self.skips = config.non_finite == "skip"
        self.every_step = every_step or self.skips
        self.name: Callable[[int], str] = lambda number: f"number {number}"
        self.last: dict[str, float] = {}
        self.skipped = 0
        self._in_a_row = 0
        self._unseen: list[_Seen] = []
        self._now = (0, torch.zeros(0, dtype=torch.long))

    def begin(self, step: int, images: Tensor) -> None:
        """Says which step comes next."""
        self._now = (step, images)

    def watch(self, values: Mapping[str, Tensor]) -> None:
        """Takes the losses of this step, before anything is made of them.

        Raises:
            TrainingError: some loss is not finite.
            SkipStep: so it is, and the step is to be left out.
        """
        self._unseen.append(_Seen(*self._now, values))
        if self.every_step or len(self._unseen) == LOOK_EVERY:
            self.look()

    def explain(self, samples: Mapping[str, Tensor]) -> None:
        """Adds the losses of the step's images, which tell which of them are to blame."""
        if self._unseen:
            self._unseen[-1].samples = samples

    def look(self) -> None:
        """Looks at all losses since the last look; raises as :meth:`watch`."""
        unseen, self._unseen = self._unseen, []
        if not unseen:
            return
        flat = torch.stack([value for one in unseen for value in one.values.values()]).tolist()
        numbers = iter(flat)
        for one in unseen:
            self.last = {name: next(numbers) for name in one.values}
            bad = [name for name, loss in self.last.items() if not math.isfinite(loss)]
            if bad:
                self._refuse(one, bad)
        self._in_a_row = 0

    def take_skipped(self) -> int:
        """The steps that were left out since the last call."""
        skipped, self.skipped = self.skipped, 0
        return skipped

    def _refuse(self, seen: _Seen, bad: Sequence[str]) -> None:
        if self.skips and self._in_a_row < MOST_IN_A_ROW:
            self.skipped += 1
            self._in_a_row += 1
            raise SkipStep
        images = [self.name(number) for number in seen.blamed(bad)]
        more = f" and {len(images) - 4} more" if len(images) > 4 else ""
        row = f", the last of {self._in_a_row + 1} in a row" if self.skips else ""
        raise self.diverged(
            f"the loss of {', '.join(bad)} is not a finite number in step {seen.step}{row}, with "
            f"{', '.join(images[:4])}{more}"
        )

    def diverged(self, what: str) -> TrainingError:
        """The error for losses that are not finite."""
        return TrainingError(
            f"{what}; lower --training.lr (now {self.config.lr:g}) or set --training.clip_norm 1, "
            "with another --out; or leave such steps out (--training.non_finite skip); the weights "
            "of the epochs before are kept"
        )


class Statistics:
    """A network's buffers, to be restored after a skipped step: its forward pass may have put
    infinities and NaN into the running means."""

    def __init__(self, model: nn.Module) -> None:
        self._kept = [(buffer, buffer.clone()) for buffer in model.buffers()]

    def put_back(self) -> None:
        for buffer, before in self._kept:
            buffer.copy_(before)
