"""What the teacher taught in an epoch: how sure it was, and of which classes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from auxseg.tasks import MetricValue, Remarks, Task, asking
from auxseg.tasks.pooled import SumOfCounts


class Lessons(nn.Module):
    """Adds up what was taught over the steps of an epoch, and over all processes.

    Args:
        tasks: the run's; those that ask a teacher are followed.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self._tasks = {name: tasks[name] for name in asking(tasks)}
        self._sums = nn.ModuleDict(
            {name: SumOfCounts(len(task.classes.mask) + 1) for name, task in self._tasks.items()}
        )

    def add(self, lessons: Mapping[str, Tensor]) -> None:
        """Adds a step's: task name → :meth:`auxseg.tasks.Task.teaching`."""
        for name, pixels in lessons.items():
            self._sum(name).update(pixels[None])

    def sums(self) -> dict[str, list[int]]:
        """What this process has added so far, by task, to be added again by :meth:`add_sums`."""
        return {name: [int(one) for one in self._sum(name).total] for name in self._tasks}

    def add_sums(self, sums: Mapping[str, list[int]]) -> None:
        self.add({name: torch.tensor(sums[name]) for name in self._tasks})

    def _sum(self, name: str) -> SumOfCounts:
        sums = self._sums[name]
        assert isinstance(sums, SumOfCounts)
        return sums

    def remarks(self) -> dict[str, Remarks]:
        """Task → what is to be said of the steps since the epoch's start."""
        return {name: task.lacking(self._pixels(name)[:-1]) for name, task in self._tasks.items()}

    def take(self) -> dict[str, MetricValue]:
        """The epoch's shares by name; starts anew.

        ``TASK/confident`` is the share of pixels that the teacher was sure of,
        ``TASK/pseudo_labels/CLASS`` each class's part of these; None where there are none.
        """
        values: dict[str, MetricValue] = {}
        for name, task in self._tasks.items():
            *each, total = self._pixels(name)
            self._sum(name).reset()
            sure = sum(each)
            values[f"{name}/confident"] = sure / total if total else None
            for title, pixels in zip(task.classes.mask, each, strict=True):
                values[f"{name}/pseudo_labels/{title}"] = pixels / sure if sure else None
        return values

    def _pixels(self, name: str) -> list[int]:
        """Of each class, and all; every process takes part in adding them up."""
        sums = self._sum(name)
        if not sums.update_called:  # torchmetrics warns otherwise
            sums.update(sums.total[None])
        return [int(one) for one in sums.compute().tolist()]
