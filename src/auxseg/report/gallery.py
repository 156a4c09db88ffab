"""The same photos through several systems, beside the truth (the paper's Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from auxseg.assembly import EVALUATION_SEED
from auxseg.data import Dataset
from auxseg.predict import Predictor
from auxseg.tasks import draw_all
from auxseg.types import Sample

#: Inches of one picture.
CELL = 1.7

#: Metric of single images that says which photos were easy and which were not.
SCORE = "segmentation/iou"


@dataclass(frozen=True)
class Choice:
    """One photo of the gallery.

    Attributes:
        index: its number in the data set.
        reason: why it is shown.
    """

    index: int
    reason: str


def spread(indices: Sequence[int], count: int) -> list[int]:
    """``count`` of the images at equal distances: no one picks what looks best."""
    positions = np.linspace(0, len(indices) - 1, min(count, len(indices)))
    return [indices[round(position)] for position in positions]


def choose(
    indices: Sequence[int],
    names: Sequence[str],
    scores: Sequence[Mapping[str, Mapping[str, float]]],
    extremes: int = 2,
    between: int = 3,
) -> list[Choice]:
    """The best and the worst photos by their mean score over systems, and some of the others.

    Args:
        indices, names: the photos to choose from.
        scores: of each system, photo name → metric → value; without any, none is best or worst.
    """
    values = {
        index: mean(known)
        for index, name in zip(indices, names, strict=True)
        if (known := [one[name][SCORE] for one in scores if SCORE in one.get(name, {})])
    }
    ranked = sorted(values, key=lambda index: -values[index])
    extremes = min(extremes, len(ranked) // 2)
    best, worst = ranked[:extremes], ranked[len(ranked) - extremes :]
    rest = [index for index in indices if index not in {*best, *worst}]
    return [
        *(Choice(index, f"best: mean IoU {values[index]:.2f}") for index in best),
        *(Choice(index, "at equal distances") for index in spread(rest, between)),
        *(Choice(index, f"worst: mean IoU {values[index]:.2f}") for index in worst),
    ]


def truth_picture(predictor: Predictor, sample: Sample) -> np.ndarray:
    """Every label of a sample, drawn as predictions are."""
    tasks = predictor.tasks
    return draw_all(sample.image, tasks, {name: task.label(sample) for name, task in tasks.items()})


def gallery_figure(
    dataset: Dataset,
    choices: Sequence[Choice],
    predictors: Mapping[str, Predictor],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> Figure:
    """A row per photo; columns photo, truth (drawn with the system of most tasks), every system.

    Args:
        predictors: system name → its run.
        scores: system name → photo name → metric → value, shown below the pictures.
    """
    richest = max(predictors.values(), key=lambda predictor: len(predictor.tasks))
    samples = [dataset.read(choice.index) for choice in choices]
    names = [dataset.name(choice.index) for choice in choices]
    photos = list(zip(names, (sample.image for sample in samples), strict=True))
    columns: dict[str, list[np.ndarray]] = {
        "photo": [sample.image for sample in samples],
        "truth": [truth_picture(richest, sample) for sample in samples],
    }
    below: dict[str, list[str]] = {"photo": [choice.reason for choice in choices], "truth": names}
    for system, predictor in predictors.items():
        found = predictor.predict_batch(photos, seed=EVALUATION_SEED)
        columns[system] = [prediction.overlay for prediction in found]
        own = scores.get(system, {})
        below[system] = [
            f"IoU {own[name][SCORE]:.2f}" if SCORE in own.get(name, {}) else "" for name in names
        ]
    return _draw(columns, below)


def _draw(
    columns: Mapping[str, Sequence[np.ndarray]], below: Mapping[str, Sequence[str]]
) -> Figure:
    rows = len(columns["photo"])
    figure = Figure(figsize=(CELL * len(columns), CELL * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for column, (title, pictures) in enumerate(columns.items()):
        axes[0][column].set_title(fill(title, 20), fontsize=9)
        for row, picture in enumerate(pictures):
            axis = axes[row][column]
            axis.imshow(picture)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            axis.set_xlabel(below[title][row], fontsize=8, labelpad=2)
    return figure
