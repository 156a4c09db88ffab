"""Attention masks: where each task looks, block by block, as pictures and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auxseg.predict import Prediction, Predictor
from auxseg.report.tables import MISSING
from auxseg.types import Sample

#: Inches of one picture's width.
CELL = 1.6


def attention_figure(prediction: Prediction) -> Figure:
    """A row per task, a column per block: the mask's mean over its channels, laid over the photo.

    Colours run from a picture's own 2nd to its 98th percentile, which stand above it: masks of
    deep blocks hardly leave their mean, and one scale for all would hide where they do.
    """
    tasks, places = _parts(prediction, 0), _parts(prediction, 1)
    height, width = prediction.photo.shape[:2]
    cell = CELL * height / width + 0.25
    figure = Figure(figsize=(CELL * (len(places) + 1), cell * len(tasks)), layout="constrained")
    axes = figure.subplots(len(tasks), len(places) + 1, squeeze=False)
    for row, task in zip(axes, tasks, strict=True):
        row[0].imshow(prediction.pictures.get(task, prediction.overlay))
        row[0].set_title(task, fontsize=8, loc="left")
        for axis, place in zip(row[1:], places, strict=True):
            mask = prediction.attention.get(f"{task}/{place}")
            if mask is not None:
                _show(axis, prediction.photo, mask, place)
        for axis in row:
            axis.set_axis_off()
    return figure


def _parts(prediction: Prediction, part: int) -> list[str]:
    """Tasks (0) or places in the network (1), each once, in order."""
    return list(dict.fromkeys(key.split("/")[part] for key in prediction.attention))


def _show(axis: Axes, photo: np.ndarray, mask: np.ndarray, place: str) -> None:
    mean = mask.astype(np.float32).mean(axis=0)
    low, high = np.percentile(mean, (2, 98))
    height, width = photo.shape[:2]
    heat = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    axis.imshow(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cmap="gray", vmin=0, vmax=255)
    axis.imshow(heat, cmap="magma", alpha=0.65, vmin=low, vmax=high)
    axis.set_title(f"{place}  {low:.2f} to {high:.2f}", fontsize=6, loc="left")


def write_attention(path: Path, prediction: Prediction) -> None:
    """Writes :func:`attention_figure` as a PNG file."""
    attention_figure(prediction).savefig(path, dpi=130)


def attention_table(predictor: Predictor, samples: Sequence[Sample]) -> list[list[str]]:
    """Where tasks look, in numbers: a row per task and region, a column per block.

    A cell is the mean attention inside a region less that outside, in units of the mask's standard
    deviation over the picture, averaged over the samples: above 0 the task looks there more than
    elsewhere. Regions: the true mask's foreground, the true box.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for sample in samples:
        prediction = predictor.predict(sample.image, attention=True)
        for region, inside in _regions(sample).items():
            for key, mask in prediction.attention.items():
                task, place = key.split("/")
                cells = found.setdefault((task, region), {})
                known = cells.setdefault(place, [])
                preference = _preference(mask, inside)
                if preference is not None:
                    known.append(preference)
    places = list(dict.fromkeys(place for cells in found.values() for place in cells))
    rows = [["task, region", *places]]
    for (task, region), cells in sorted(found.items()):
        values = [cells.get(place) for place in places]
        shown = (f"{np.mean(known):+.2f}" if known else MISSING for known in values)
        rows.append([f"{task}, {region}", *shown])
    return rows


def _regions(sample: Sample) -> dict[str, np.ndarray]:
    """Region name → bool (H, W), of the labels that a sample has."""
    regions = {}
    height, width = sample.image.shape[:2]
    if sample.mask is not None:
        regions["foreground"] = (sample.mask > 0) & (sample.mask != 255)
    if sample.box is not None:
        x_min, y_min, x_max, y_max = (sample.box * [width, height, width, height]).round()
        rows, columns = np.mgrid[:height, :width]
        inside_x = (columns >= x_min) & (columns < x_max)
        regions["box"] = inside_x & (rows >= y_min) & (rows < y_max)
    return regions


def _preference(mask: np.ndarray, inside: np.ndarray) -> float | None:
    """(mean inside − mean outside) / standard deviation; None where a side is empty."""
    mean = mask.astype(np.float32).mean(axis=0)
    share = cv2.resize(inside.astype(np.float32), mean.shape[::-1], interpolation=cv2.INTER_AREA)
    if not 0 < share.mean() < 1 or mean.std() == 0:
        return None
    within, beyond = np.average(mean, weights=share), np.average(mean, weights=1 - share)
    return float((within - beyond) / mean.std())
