"""Metrics that are pooled over a data set: made from sums of what each image adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from auxseg.tasks.base import MetricValue, Remarks, TaskMetrics


class PooledMetrics(TaskMetrics):
    """Metrics of the sums over all images of whole numbers, such as pixels.

    So a task says once what its images add and once what follows from the sums, and its metrics
    over a data set, over single images and over draws of images cannot disagree.

    Args:
        size: how many numbers an image adds, S.
        counts: predictions and targets of N labelled images → what each adds, (N, S).
        metrics: the sums, float64 (S,) → every metric by name.
        remarks: the sums → what is to be said of them; by default nothing.
    """

    def __init__(
        self,
        size: int,
        counts: Callable[[Tensor, Tensor], Tensor],
        metrics: Callable[[np.ndarray], dict[str, MetricValue]],
        remarks: Callable[[np.ndarray], Remarks] = lambda sums: Remarks(),
    ) -> None:
        super().__init__()
        self.sums = SumOfCounts(size)
        self._counts, self._metrics, self._remarks = counts, metrics, remarks

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.sums.update(self._counts(prediction, value))

    def compute(self) -> dict[str, MetricValue]:
        return self._metrics(self._pooled())

    def remarks(self) -> Remarks:
        return self._remarks(self._pooled())

    def _pooled(self) -> np.ndarray:
        """The sums over all processes, float64 (S,)."""
        if not self.sums.update_called:  # torchmetrics warns otherwise
            self.sums.update(torch.zeros(0, len(self.sums.total), device=self.sums.device))
        # torchmetrics makes a scalar of a single number.
        return np.asarray(self.sums.compute().numpy().reshape(-1))

    def reset(self) -> None:
        self.sums.reset()


class SumOfCounts(Metric):
    """Adds up (N, S) whole numbers over images, batches and processes.

    Integers stay exact: torchmetrics' own sum is a 32-bit float, which loses single pixels once
    there are more than 2^24 of them.
    """

    full_state_update = False
    total: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, counts: Tensor) -> None:
        """Adds what some images add, (N, S)."""
        self.total += counts.long().sum(dim=0)

    def compute(self) -> Tensor:
        """float64 (S,), on the CPU: not every device has float64."""
        return self.total.cpu().double()


def binary_counts(found: Tensor, true: Tensor) -> Tensor:
    """Pixels that are both, found, and true in each image: bool (N, …) twice → float32 (N, 3)."""
    pixels = (found & true, found, true)
    return torch.stack([one.flatten(1).sum(dim=1) for one in pixels], dim=1).float()


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 = 2 TP / (2 TP + FP + FN) from sums of :func:`binary_counts`, (…, 3) → (…).

    NaN where nothing is found and nothing is true.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * counts[..., 0] / (counts[..., 1] + counts[..., 2]))


def known(value: np.ndarray | float) -> float | None:
    """A metric's value; None for NaN, which stands for nothing to measure."""
    number = float(value)
    return None if np.isnan(number) else number


def confusion_counts(found: Tensor, true: Tensor, classes: int) -> Tensor:
    """Pairs of a true class (row) and the one found (column), counted: int64 (K, K).

    Args:
        found, true: class indices of the same shape, all of them below ``classes``.
    """
    pairs = classes * true.long() + found.long()
    return torch.bincount(pairs.flatten(), minlength=classes**2).view(classes, classes)
