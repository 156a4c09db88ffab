"""Tasks. Adding one is a file in this folder and a line in :data:`TASKS`."""

from auxseg.tasks.base import (
    CLEAN,
    LabelledMean,
    MetricInfo,
    MetricValue,
    Remarks,
    Task,
    TaskMetrics,
    draw_all,
    masked_mean,
)
from auxseg.tasks.bbox import BoundingBox
from auxseg.tasks.boundary import Boundary
from auxseg.tasks.classification import Classification
from auxseg.tasks.colorization import Colorization
from auxseg.tasks.consistency import Consistency
from auxseg.tasks.denoising import Denoising
from auxseg.tasks.distance import Distance
from auxseg.tasks.edges import Edges
from auxseg.tasks.inpainting import Inpainting
from auxseg.tasks.rotation import Rotation
from auxseg.tasks.segmentation import Segmentation
from auxseg.tasks.teacher import asking, completed
from auxseg.tasks.views import MODES, Views

__all__ = [
    "CLEAN",
    "MODES",
    "TASKS",
    "LabelledMean",
    "MetricInfo",
    "MetricValue",
    "Remarks",
    "Task",
    "TaskMetrics",
    "Views",
    "asking",
    "completed",
    "draw_all",
    "masked_mean",
]

TASKS: dict[str, type[Task]] = {
    task.NAME: task
    for task in (
        *(Segmentation, Classification, BoundingBox, Denoising, Edges, Colorization),
        *(Boundary, Distance, Rotation, Inpainting, Consistency),
    )
}
