"""Inputs and targets of the tasks with a picture of their own (the paper's Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import torch
from matplotlib.figure import Figure

from auxseg.assembly import EVALUATION_SEED
from auxseg.tasks import CLEAN, Task
from auxseg.types import LabelledImages, Sample

#: Inches of one picture.
CELL = 2.0

#: Noise of a standard deviation of 2 in 255 cannot be seen: it is also shown so much stronger.
AMPLIFIED = 16
#: A grey of medium lightness (L = 65).
PLAIN = 158


def panels(task: Task, sample: Sample) -> dict[str, np.ndarray]:
    """What a task reads and what it should answer, title → picture.

    Args:
        sample: a photo at the training size, with its labels.

    Returns:
        uint8 (S, S, 3) each: ``input``, ``target`` where the sample has the task's label, and,
        where the input is the photo with small changes, ``change ×16``.
    """
    image = torch.from_numpy(sample.image).permute(2, 0, 1)[None].float() / 255
    images = LabelledImages.without_labels(image)
    # A photo's truth is that of the photo as it is, where its target depends on what was drawn.
    view = task.view(images) if task.DRAWS_TARGET else task.example(images, EVALUATION_SEED).view
    shown = {"input": _picture(view)}
    truth = task.label(sample)
    if truth is not None:
        # Drawn on plain grey: what is to be answered, and nothing of what is given.
        shown["target"] = task.picture(np.full_like(sample.image, PLAIN), truth)
    altered = task.VIEW != CLEAN and view.shape[1] == image.shape[1]
    if altered and not task.DRAWS_TARGET:
        shown[f"change ×{AMPLIFIED}"] = _picture(0.5 + AMPLIFIED * (view - image))
    return shown


def _picture(image: torch.Tensor) -> np.ndarray:
    """(1, 1 or 3, H, W) in [0, 1] → uint8 (H, W, 3)."""
    levels = (255 * image[0].clamp(0, 1)).round().to(torch.uint8)
    return levels.expand(3, -1, -1).permute(1, 2, 0).numpy()


def inputs_figure(
    tasks: Sequence[Task], sample: Sample, outputs: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """A row per task: photo, input, target, change, and what trained systems answer.

    Args:
        sample: a photo at the training size, with its labels.
        outputs: task name → system name → uint8 picture of its answer.
    """
    rows = []
    for task in tasks:
        cells = {"photo": sample.image, **panels(task, sample)}
        cells |= {f"by {system}": shown for system, shown in outputs.get(task.NAME, {}).items()}
        rows.append((task.NAME, cells))
    columns = max(len(cells) for _, cells in rows)
    figure = Figure(figsize=(CELL * columns, (CELL + 0.3) * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, cells) in zip(axes, rows, strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, (title, picture) in zip(line, cells.items(), strict=False):
            axis.imshow(picture, interpolation="nearest")
            heading = name if title == "photo" else title
            weight = "bold" if title == "photo" else "normal"
            axis.set_title(fill(heading, 28), fontsize=8, loc="left", fontweight=weight)
    return figure
