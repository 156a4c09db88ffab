"""Draws docs/images/tasks.jpg: what four tasks are shown, should answer, and do answer.

python docs/draw_tasks.py RUN NAME...

RUN is a run with these tasks, NAME are photos of its data set, which are cut to squares. Start it
where RUN was trained: its config.yaml says where the data lie.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from auxseg.data.decode import stretch
from auxseg.predict import Predictor, load
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task
from auxseg.tasks.rotation import Turn
from auxseg.types import LabelledImages, Sample

OUT = Path(__file__).parent / "images" / "tasks.jpg"
TASKS = ("boundary", "distance", "rotation", "inpainting")
COLUMNS = ("shown", "target", "answer")
INK = "#30343b"
#: Pixels of a picture, and inches.
SIZE, CELL = 256, 1.55
#: Of the turns that are drawn.
SEED = 0


def square(sample: Sample) -> Sample:
    """The middle of a photo and of its mask, SIZE×SIZE."""
    height, width = sample.image.shape[:2]
    side = min(height, width)
    rows, columns = (slice((one - side) // 2, (one + side) // 2) for one in (height, width))
    assert sample.mask is not None
    cut = Sample(sample.image[rows, columns], mask=sample.mask[rows, columns])
    return stretch(cut, SIZE)


def pictures(task: Task, sample: Sample, number: int, predictor: Predictor) -> list[np.ndarray]:
    """What the task is shown of a photo, its target, and what the run answers."""
    image = torch.from_numpy(sample.image).permute(2, 0, 1)[None].float() / 255
    images = LabelledImages.without_labels(image)
    images.index[0] = number
    photo, truth, view = sample.image, task.label(sample), task.view(images)
    if task.NAME == "rotation":  # as in training: prediction would take the photo as it is
        example = task.example(images, SEED)
        view, truth = example.view, Turn(int(example.target.value[0]))
        photo = pixels(view)
    answer = predictor.predict(photo).pictures[task.NAME]
    return [pixels(view), task.picture(photo, truth), answer]


def pixels(view: torch.Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] → uint8 (H, W, 3)."""
    levels = (255 * view[0]).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).numpy())


def main(run: str, *names: str) -> None:
    predictor, data = load(run, "cpu"), open_run_data(RunDirectory(run))
    numbers = {data.dataset.name(number): number for number in range(len(data.dataset))}
    samples = [square(data.dataset.read(numbers[name])) for name in names]
    width = len(COLUMNS) * len(samples)
    figure = Figure(figsize=(CELL * width + 0.4, CELL * len(TASKS) + 0.3), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr]
    # A narrow empty column between two photos.
    ratios = [*COLUMNS, None] * len(samples)
    grid = figure.add_gridspec(
        len(TASKS), len(ratios) - 1, width_ratios=[1 if one else 0.08 for one in ratios[:-1]]
    )
    places = [place for place, one in enumerate(ratios) if one]
    axes = [[figure.add_subplot(grid[row, place]) for place in places] for row in range(len(TASKS))]
    for row, name in enumerate(TASKS):
        task = predictor.tasks[name]
        cells = [
            cell
            for photo, sample in zip(names, samples, strict=True)
            for cell in pictures(task, sample, numbers[photo], predictor)
        ]
        for column, (axis, cell) in enumerate(zip(axes[row], cells, strict=True)):
            axis.imshow(cell)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_color("#c8ccd2")
            if row == 0:
                axis.set_title(COLUMNS[column % len(COLUMNS)], fontsize=10, color=INK)
        axes[row][0].set_ylabel(name, fontsize=11, fontweight="bold", color=INK)
    figure.savefig(OUT, dpi=120, facecolor="white", pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main(*sys.argv[1:])
