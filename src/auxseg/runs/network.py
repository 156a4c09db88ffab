"""A run's trained network."""

from __future__ import annotations

from auxseg import assembly
from auxseg.config import Config
from auxseg.models import MultiTaskModel
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task
from auxseg.types import ClassNames


def load_model(
    run: RunDirectory, config: Config, classes: ClassNames
) -> tuple[MultiTaskModel, dict[str, Task]]:
    """A run's network with its best weights, in evaluation mode, and its tasks."""
    tasks = assembly.make_tasks(config, classes)
    model = assembly.make_model(config, tasks)
    model.load_state_dict(run.read_best())
    return model.eval(), tasks
