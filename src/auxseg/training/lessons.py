"""What the teacher taught in an epoch: how sure it was, and of which classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from auxseg.tasks import MetricValue, Task, asking
from auxseg.tasks.pooled import SumOfCounts


class Lessons(nn.Module):
    """Adds up what was taught over the steps of an epoch, and over all processes.

    Args:
        tasks: the run's; those that ask a teacher are followed.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self._classes = {name: tasks[name].classes.mask for name in asking(tasks)}
        self._sums = nn.ModuleDict(
            {name: SumOfCounts(len(classes) + 1) for name, classes in self._classes.items()}
        )

    def add(self, lessons: Mapping[str, Tensor]) -> None:
        """Adds a step's: task name → :meth:`auxseg.tasks.Task.teaching`."""
        for name, pixels in lessons.items():
            self._sum(name).update(pixels[None])

    def _sum(self, name: str) -> SumOfCounts:
        sums = self._sums[name]
        assert isinstance(sums, SumOfCounts)
        return sums

    def take(self) -> dict[str, MetricValue]:
        """The epoch's shares by name; starts anew.

        ``TASK/confident`` is the share of pixels that the teacher was sure of,
        ``TASK/pseudo_labels/CLASS`` each class's part of these; None where there are none.
        """
        values: dict[str, MetricValue] = {}
        for name, classes in self._classes.items():
            sums = self._sum(name)
            if not sums.update_called:  # torchmetrics warns otherwise; all processes take part
                sums.update(sums.total[None])
            *each, total = sums.compute().tolist()
            sums.reset()
            sure = sum(each)
            values[f"{name}/confident"] = sure / total if total else None
            for title, pixels in zip(classes, each, strict=True):
                values[f"{name}/pseudo_labels/{title}"] = pixels / sure if sure else None
        return values
