"""Inputs and targets of the self-supervised tasks for one photo (the paper's Fig. 2)."""

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


def panels(task: Task, photo: np.ndarray) -> dict[str, np.ndarray]:
    """What a self-supervised task reads and what it should answer, title → picture.

    Args:
        photo: uint8 (S, S, 3), RGB, at the training size.

    Returns:
        uint8 (S, S, 3) each: ``input``, ``target`` and, where the input is the photo with small
        changes, ``change ×16``.
    """
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    images = LabelledImages.without_labels(image)
    view = task.example(images, EVALUATION_SEED).view
    # Drawn on plain grey: what is to be answered, and nothing of what is given.
    answer = task.picture(np.full_like(photo, PLAIN), task.label(Sample(photo)))
    shown = {"input": _picture(view), "target": answer}
    if task.VIEW != CLEAN and view.shape[1] == image.shape[1]:
        shown[f"change ×{AMPLIFIED}"] = _picture(0.5 + AMPLIFIED * (view - image))
    return shown


def _picture(image: torch.Tensor) -> np.ndarray:
    """(1, 1 or 3, H, W) in [0, 1] → uint8 (H, W, 3)."""
    levels = (255 * image[0].clamp(0, 1)).round().to(torch.uint8)
    return levels.expand(3, -1, -1).permute(1, 2, 0).numpy()


def inputs_figure(
    tasks: Sequence[Task], photo: np.ndarray, outputs: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """A row per task: photo, input, target, change, and what trained systems answer.

    Args:
        photo: uint8 (S, S, 3) at the training size.
        outputs: task name → system name → uint8 picture of its answer.
    """
    rows = []
    for task in tasks:
        cells = {"photo": photo, **panels(task, photo)}
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
