"""Tasks. Adding one is a file in this folder and a line in :data:`TASKS`."""

from auxseg.tasks.base import (
    LabelledMean,
    MetricInfo,
    MetricValue,
    Task,
    TaskMetrics,
    draw_all,
    masked_mean,
)
from auxseg.tasks.bbox import BoundingBox
from auxseg.tasks.classification import Classification
from auxseg.tasks.segmentation import Segmentation

__all__ = [
    "TASKS",
    "LabelledMean",
    "MetricInfo",
    "MetricValue",
    "Task",
    "TaskMetrics",
    "draw_all",
    "masked_mean",
]

TASKS: dict[str, type[Task]] = {
    task.NAME: task for task in (Segmentation, Classification, BoundingBox)
}
