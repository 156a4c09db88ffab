"""What a teacher answers, put into the targets of the tasks that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from auxseg.tasks.base import Task
from auxseg.types import Target


def asking(tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """The tasks that ask a teacher."""
    return tuple(name for name, task in tasks.items() if task.ASKS_TEACHER)


def completed(
    tasks: Mapping[str, Task], targets: Mapping[str, Target], clean: Tensor
) -> dict[str, Target]:
    """The targets, with those of the tasks that ask a teacher completed by its answers.

    Args:
        clean: the teacher's primary output for these tasks' images as they are.
    """
    return dict(targets) | {
        name: replace(targets[name], value=tasks[name].complete(targets[name].value, clean))
        for name in asking(tasks)
    }
