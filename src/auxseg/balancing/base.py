"""What a balancer is: it turns the losses of several tasks into one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from auxseg.devices import sent


@dataclass(frozen=True)
class Step:
    """The losses of one training step, and how to differentiate them.

    Attributes:
        losses: task name → scalar with its graph, of the tasks that have a label in this batch on
            any process; this process's share, such that the mean over processes is the loss.
        values: the same losses over all processes, without a graph.
        shared: the parameters that several tasks use; like ``specific`` empty where the balancer
            does not work on gradients.
        specific: the parameters that belong to one task each.
        backward: differentiates a scalar into ``.grad`` of all parameters, over all processes.
        average: a tensor's mean over all processes.
    """

    losses: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    shared: Sequence[nn.Parameter]
    specific: Sequence[nn.Parameter]
    backward: Callable[[Tensor], None]
    average: Callable[[Tensor], Tensor]


class Balancer(nn.Module, ABC):
    """Makes one update of the losses of several tasks. It knows no task but by name.

    A subclass is one file and one line in :data:`auxseg.balancing.BALANCERS`; keyword arguments
    with defaults of its ``__init__`` are its options (``training.balancer_options``). What it must
    remember over steps lives in buffers and parameters, so that checkpoints hold it. Random
    numbers come from torch's global generator, which training seeds before every step: resuming
    repeats them, and all processes draw the same.

    A task without a label in a batch is not among the losses: it takes no part in that step, and
    what is remembered of it stays as it was.

    Attributes:
        USES_WEIGHTS: whether the configured weights of the tasks matter to it.
        BY_GRADIENTS: whether it works on the gradients of the tasks, not on their losses.
        LOOKS_BACK: whether it wants to see the losses of the same batch after the update
            (:meth:`look_back`), which costs another forward pass.

    Args:
        weights: task name → the weight that the configuration gives it, in the system's order.
        regression: the tasks whose loss is a squared error (the others': a cross-entropy).
    """

    USES_WEIGHTS: ClassVar[bool] = False
    BY_GRADIENTS: ClassVar[bool] = False
    LOOKS_BACK: ClassVar[bool] = False

    def __init__(self, weights: Mapping[str, float], regression: Collection[str] = ()) -> None:
        super().__init__()
        self.weights, self.regression = dict(weights), frozenset(regression)
        self.names = tuple(weights)

    @abstractmethod
    def backward(self, step: Step) -> dict[str, Tensor]:
        """Fills ``.grad`` of every parameter that a loss reaches. Called once a training step.

        Returns:
            task name → the factor (a scalar) that its loss or gradient had in this update; empty
            for a method that has none.
        """

    def look_back(self, values: Mapping[str, Tensor]) -> None:
        """Learns from the losses of the same batch after the update, over all processes."""

    def end_epoch(self) -> None:
        """Called after the last step of an epoch."""

    def positions(self, values: Mapping[str, Tensor]) -> Tensor:
        """Where these tasks stand in a tensor that has an entry per task of the system, int64 (T,).

        Beside the values: for a list of numbers a GPU would be waited for.
        """
        numbers = torch.tensor([self.names.index(name) for name in values])
        return sent(numbers, next(iter(values.values())).device)


class LossBalancer(Balancer):
    """Minimises Σ_t w_t L_t (+ a term of its own) with weights from the losses' values."""

    @abstractmethod
    def weigh(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weight of each of these losses, from their values over all processes.

        A weight with a graph (of a learned parameter) is differentiated along with its loss.
        """

    def penalty(self, names: Collection[str]) -> Tensor | None:
        """What is minimised beside the weighted losses of these tasks; None for nothing."""
        return None

    def backward(self, step: Step) -> dict[str, Tensor]:
        weights = self.weigh(step.values)
        total = torch.stack([weights[name] * loss for name, loss in step.losses.items()]).sum()
        penalty = self.penalty(step.losses.keys())
        step.backward(total if penalty is None else total + penalty)
        return {name: weight.detach() for name, weight in weights.items()}


def stacked(values: Mapping[str, Tensor]) -> Tensor:
    """Scalars as a float32 vector, in their order."""
    return torch.stack(list(values.values())).float()


def named(names: Collection[str], vector: Tensor) -> dict[str, Tensor]:
    """A vector's entries under these names."""
    return dict(zip(names, vector.unbind(), strict=True))
