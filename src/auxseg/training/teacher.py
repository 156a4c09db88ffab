"""The network's exponential moving average: what is validated and kept, and what teaches."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from auxseg.models import MultiTaskModel


class Teacher(nn.Module):
    """A copy of the network whose weights and buffers follow it, θ′ ← d′ θ′ + (1 − d′) θ.

    The decay d′ = min(1 − 1/(step + 1), d), with steps counted from 0, starts at 0: a young average
    does not remember the first weights. (Mean teacher, Tarvainen and Valpola 2017; buffers too, as
    UniMatch V2, Yang et al. 2025.) It is in evaluation mode always.

    Args:
        model: the network, which is copied.
        decay: d, above 0 and below 1.
    """

    steps: Tensor

    def __init__(self, model: MultiTaskModel, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self._done: int | None = None
        self.train(False)

    def train(self, mode: bool = True) -> Teacher:
        """Stays in evaluation mode, whatever becomes of the module that holds it."""
        super().train(False)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Its primary output for images (N, C, H, W) in [0, 1]."""
        primary = next(iter(self.model.heads))
        answer: Tensor = self.model(images, {primary})[primary]
        return answer

    @torch.no_grad()
    def follow(self, model: MultiTaskModel) -> None:
        """Takes in the network's weights after a step."""
        if self._done is None:
            self._done = int(self.steps)  # of a resumed run; later nobody waits for a GPU to tell
        decay = min(1 - 1 / (self._done + 1), self.decay)
        pairs = [
            (own, other)
            for mine, others in (
                (self.model.parameters(), model.parameters()),
                (self.model.buffers(), model.buffers()),
            )
            for own, other in zip(mine, others, strict=True)
        ]
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, weights = ([pair[side] for pair in floating] for side in (0, 1))
        torch._foreach_lerp_(averages, weights, 1 - decay)
        if counters := [pair for pair in pairs if not pair[0].is_floating_point()]:
            own, other = ([pair[side] for pair in counters] for side in (0, 1))
            torch._foreach_copy_(own, other)
        self._done += 1
        self.steps += 1
