"""The same test photos through several systems, beside the truth (the paper's Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from auxseg.data import Dataset
from auxseg.predict import Prediction, Predictor
from auxseg.tasks import draw_all
from auxseg.types import Sample

matplotlib.use("Agg")
from matplotlib import pyplot as plt

#: Inches of one picture.
CELL = 1.7


def spread(indices: Sequence[int], count: int) -> list[int]:
    """``count`` of the images at equal distances: no one picks what looks best."""
    positions = np.linspace(0, len(indices) - 1, min(count, len(indices)))
    return [indices[round(position)] for position in positions]


def truth_picture(predictor: Predictor, sample: Sample) -> np.ndarray:
    """Every label of a sample, drawn as predictions are."""
    tasks = predictor.tasks
    return draw_all(sample.image, tasks, {name: task.label(sample) for name, task in tasks.items()})


def write_gallery(
    path: Path, dataset: Dataset, indices: Sequence[int], runs: Mapping[str, Path]
) -> None:
    """Writes a picture: a row per photo; columns photo, truth, and one per system.

    Args:
        indices: numbers of the photos in the data set.
        runs: system name → run directory. The truth is drawn with the system of most tasks.
    """
    predictors = {name: Predictor(run) for name, run in runs.items()}
    richest = max(predictors.values(), key=lambda predictor: len(predictor.tasks))
    samples = [dataset.read(index) for index in indices]
    photos = [
        (dataset.name(index), sample.image) for index, sample in zip(indices, samples, strict=True)
    ]
    columns: dict[str, list[np.ndarray]] = {
        "photo": [sample.image for sample in samples],
        "truth": [truth_picture(richest, sample) for sample in samples],
    }
    for name, predictor in predictors.items():
        predictions: list[Prediction] = predictor.predict_batch(photos)
        columns[name] = [prediction.overlay for prediction in predictions]
    _draw(path, columns)


def _draw(path: Path, columns: Mapping[str, Sequence[np.ndarray]]) -> None:
    rows = len(next(iter(columns.values())))
    figure, axes = plt.subplots(
        rows, len(columns), figsize=(CELL * len(columns), CELL * rows + 0.4), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for column, (title, pictures) in enumerate(columns.items()):
        axes[0][column].set_title(title, fontsize=7)
        for row, picture in enumerate(pictures):
            axes[row][column].imshow(picture)
            axes[row][column].set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
