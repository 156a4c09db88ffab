"""Balancers that combine the gradients of the tasks, and how those gradients are taken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from auxseg.balancing.base import Balancer, Step, named
from auxseg.errors import UsageError

#: Gradients whose cosines have a smaller eigenvalue than this (of the largest) are dependent, as
#: far as float32 can tell.
INDEPENDENT = 1e-6


class GradientBalancer(Balancer):
    """One gradient for the shared parameters from those of the tasks.

    A task's own parameters (its head, decoder, attention) get the plain gradient of its loss. The
    gradients are taken with respect to the parameters themselves, never by way of "shared
    features": in MTAN the shared features of one block depend on those of another, so a
    derivative by way of both would count the early trunk twice.

    Autocast must be off: it would round the products of gradients to 16 bits. Over several
    processes the task gradients are averaged before they are combined, so all
    combine the same ones.
    """

    BY_GRADIENTS = True

    @abstractmethod
    def combine(self, jacobian: Tensor) -> tuple[Tensor, Tensor | None]:
        """The update's gradient from those of the tasks.

        Args:
            jacobian: float32 (T, P), a row per task with a label, T at least 2.

        Returns:
            (P,), and the rows' weights (T,) where it is a weighted sum of the rows.
        """

    def backward(self, step: Step) -> dict[str, Tensor]:
        jacobian, reached = task_gradients(step, fill_specific=True)
        # One task alone has nothing to be combined with.
        alone = len(jacobian) == 1
        vector, weights = (jacobian[0], jacobian.new_ones(1)) if alone else self.combine(jacobian)
        parts = torch.split(vector, [parameter.numel() for parameter in step.shared])
        for parameter, part, used in zip(step.shared, parts, reached, strict=True):
            parameter.grad = _laid_out(part.view_as(parameter), parameter) if used else None
        return {} if weights is None else named(step.losses, weights)


def task_gradients(step: Step, *, fill_specific: bool = False) -> tuple[Tensor, list[bool]]:
    """The gradient of every loss by the shared parameters, averaged over all processes.

    Args:
        fill_specific: also set ``.grad`` of the parameters that belong to one task each. The
            losses' graph is given up then; else it is kept.

    Returns:
        float32 (T, P), a row per loss, zero where a loss does not depend on a parameter; and for
        each shared parameter whether any loss does.
    """
    sizes = [parameter.numel() for parameter in step.shared]
    first = next(iter(step.losses.values()))
    jacobian = torch.zeros(len(step.losses), sum(sizes), device=first.device)
    reached = [False] * len(sizes)
    specific = list(step.specific) if fill_specific else []
    own: dict[nn.Parameter, Tensor] = {}
    for number, (row, loss) in enumerate(zip(jacobian, step.losses.values(), strict=True)):
        keep = not fill_specific or number + 1 < len(jacobian)
        found = torch.autograd.grad(
            loss, [*step.shared, *specific], retain_graph=keep, allow_unused=True
        )
        for place, (part, gradient) in enumerate(
            zip(row.split(sizes), found[: len(sizes)], strict=True)
        ):
            if gradient is not None:
                part.copy_(gradient.flatten())
                reached[place] = True
        for parameter, gradient in zip(specific, found[len(sizes) :], strict=True):
            if gradient is not None:
                own[parameter] = own[parameter] + gradient if parameter in own else gradient
    for parameter, gradient in own.items():
        parameter.grad = _laid_out(step.average(gradient), parameter)
    return step.average(jacobian), reached


def _laid_out(gradient: Tensor, parameter: nn.Parameter) -> Tensor:
    """The gradient in its parameter's dtype and strides, as ``backward`` would leave it.

    Fused optimisers go through both as they lie in memory: on a CPU other strides (channels_last,
    or what compiled code returns) would update other weights, without a word.
    """
    return torch.empty_like(parameter, requires_grad=False).copy_(gradient)


def gram(jacobian: Tensor) -> tuple[Tensor, float]:
    """The products of all gradients over the mean of their squared lengths, and that mean.

    float64 (T, T), on the CPU (not every device has float64, and methods loop over single numbers):
    in float32 a gradient that is a thousand times shorter than another is lost among the rounding
    errors of what is made of the matrix. The products themselves are as exact as float32 gives
    them, so directions that are independent by less than that are taken for dependent. The common
    scale is taken out because it changes no method's weights, and some take small numbers for zero.
    """
    products = (jacobian @ jacobian.T).cpu().double()
    scale = float(products.diagonal().mean())
    if scale == 0:
        return products, scale
    lengths = products.diagonal().clamp_min(0).sqrt()
    units = torch.outer(lengths, lengths)
    values, vectors = torch.linalg.eigh(torch.where(units > 0, products / units, 0.0))
    values = torch.where(values < INDEPENDENT * values.max(), 0.0, values)
    return (vectors * values) @ vectors.T * units / scale, scale


def cosines(jacobian: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """``A/B`` → the cosine between the gradients of two tasks; NaN where one is zero.

    Below 0 the tasks pull the shared parameters apart (Yu et al. 2020, "conflicting gradients").
    """
    norms = jacobian.norm(dim=1)
    products = (jacobian @ jacobian.T) / torch.outer(norms, norms)
    return {
        f"{a}/{b}": products[i, j]
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i < j
    }


class TorchJDBalancer(GradientBalancer):
    """A method of torchjd's (the extra ``gradients``).

    Args:
        make: the method, from the module ``torchjd.aggregation``.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        regression: Collection[str],
        make: Callable[[Any], nn.Module],
    ) -> None:
        super().__init__(weights, regression)
        try:
            self.method = make(import_module("torchjd.aggregation"))
        except ImportError as error:
            raise UsageError(
                f"training.balancer: {type(self).__name__} needs the extra gradients "
                f"(pip install 'auxseg[gradients]'): {error}"
            ) from None
        except ValueError as error:
            raise UsageError(f"training.balancer_options: {error}") from None

    def combine(self, jacobian: Tensor) -> tuple[Tensor, Tensor | None]:
        weighting = getattr(self.method, "gramian_weighting", None)
        if weighting is None:
            return self.method(jacobian), None
        gramian, scale = gram(jacobian)
        if scale == 0:  # all gradients are zero, whatever their weights
            return torch.zeros_like(jacobian[0]), jacobian.new_full((len(jacobian),), 1.0)
        weights: Tensor = weighting(gramian).to(jacobian)
        return weights @ jacobian, weights
