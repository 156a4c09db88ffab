"""Which input every task reads: one for all (the paper's way), or one for each that asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.tasks.base import CLEAN, Task
from auxseg.types import Batch, Example, LabelledImages, Route, Target

#: ``shared``: one input for every task, altered if a task asks for that (the paper).
#: ``per-task``: tasks that ask for the same input share a forward pass, and no other task's.
MODES = ("shared", "per-task")


class Views:
    """Makes the inputs of a batch, view name → (N, C, H, W) in [0, 1].

    Args:
        tasks: the run's tasks, the primary one first.
        mode: one of :data:`MODES`.

    Attributes:
        routes: view name → who reads which output in it; the primary task's view first.
        channels: of the network's input: 1 where every task reads a view of one channel. With
            several views, one channel becomes three equal ones: all pass the same first layer.

    Raises:
        UsageError: one shared view cannot give what the tasks ask for.
    """

    def __init__(self, tasks: Mapping[str, Task], mode: str) -> None:
        self._tasks = dict(tasks)
        askers: dict[str, Task] = {}
        for task in tasks.values():
            askers.setdefault(task.VIEW, task)
        if mode == "shared" and len(tasks) > 1:
            askers = _only(askers)
        self._askers = askers
        primary = next(iter(tasks))
        self.routes = {
            view: tuple(
                Route(name, primary if task.READS_PRIMARY else name)
                for name, task in tasks.items()
                if mode == "shared" or view == task.VIEW
            )
            for view in askers
        }
        self.channels = max(task.VIEW_CHANNELS for task in askers.values())

    def __call__(self, images: LabelledImages) -> dict[str, Tensor]:
        """The inputs of photos that are to be predicted, without anything random."""
        return self._as_input({view: task.view(images) for view, task in self._askers.items()})

    def batch(self, images: LabelledImages, seed: int, *, training: bool = False) -> Batch:
        """The inputs of a batch to train or to measure on, and every task's target.

        In training, a view holds the images that one of its tasks learns from: no other costs a
        pass.

        Args:
            seed: of what is random in them (see :meth:`Task.example`).
        """
        learns = self._learns(images) if training else {}
        shown: dict[str, Tensor] = {}
        found: dict[str, Target] = {}
        asked = None
        for view, routes in self.routes.items():
            tasks = {route.task: self._tasks[route.task] for route in routes}
            if not training:
                examples = {name: task.measured(images, seed) for name, task in tasks.items()}
            else:
                use = _any(learns[name] for name in tasks)
                rows = images.rows(use)
                examples = {
                    name: _of(task.example(rows, seed), learns[name][use])
                    for name, task in tasks.items()
                }
                if any(task.ASKS_TEACHER for task in tasks.values()):
                    asked = rows.image
            shown[view] = examples[self._askers[view].NAME].view
            found |= {name: example.target for name, example in examples.items()}
        targets = {name: found[name] for name in self._tasks}
        labelled = {name: int(target.present.sum()) for name, target in targets.items()}
        return Batch(self._as_input(shown), self.routes, targets, images.index, labelled, asked)

    def _learns(self, images: LabelledImages) -> dict[str, Tensor]:
        """Task name → which images it can learn from, bool (N,)."""
        has = {
            "mask": images.has_mask,
            "label": images.has_label,
            "box": images.has_box,
            None: images.counted,
        }
        primary = has[next(iter(self._tasks.values())).LABEL]
        return {
            name: images.counted & ~primary if task.ASKS_TEACHER else has[task.LABEL]
            for name, task in self._tasks.items()
        }

    def _as_input(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # repeat, not expand: memory that overlaps itself cannot be pinned for a GPU.
        return {
            view: image.repeat(1, self.channels // image.shape[1], 1, 1)
            if image.shape[1] < self.channels
            else image
            for view, image in views.items()
        }


def _of(example: Example, present: Tensor) -> Example:
    """An example whose target counts for some of its images alone, bool (N,)."""
    target = replace(example.target, present=example.target.present & present)
    return replace(example, target=target)


def _any(masks: Iterable[Tensor]) -> Tensor:
    """Which images any of these tasks learns from; at least two, which batch norms need."""
    use = torch.stack(list(masks)).any(dim=0)
    if int(use.sum()) < 2:
        use[:2] = True
    return use


def _only(askers: Mapping[str, Task]) -> dict[str, Task]:
    """The one input of a shared view: the altered one, where a task asks for that."""
    altered = {view: task for view, task in askers.items() if view != CLEAN}
    selfish = [task.NAME for task in altered.values() if not task.SHAREABLE]
    if selfish:
        raise UsageError(
            f"tasks.views: what {' and '.join(selfish)} is shown is of no use to other tasks; "
            "use --views per-task"
        )
    if len(altered) > 1:
        names = " and ".join(task.NAME for task in altered.values())
        raise UsageError(
            f"tasks.views: {names} ask for different inputs, which one shared view cannot give; "
            "use --views per-task"
        )
    return altered or dict(askers)
