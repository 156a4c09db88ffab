"""Segmentation measured at the photos' own size, where its masks are used."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from auxseg.assembly import Data, Prepare
from auxseg.data.fits import Tile
from auxseg.errors import DataError
from auxseg.progress import tracked
from auxseg.runs.members import Answer
from auxseg.runs.tiles import Decided, look_by_tiles
from auxseg.tasks import MetricValue
from auxseg.tasks.pooled import confusion_counts
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, LabelledImages

#: Photos are decoded by so many threads.
THREADS = 4
#: What is done, for a user who waits.
TEXT = "measuring at the photos' own size"


@torch.inference_mode()
def confusion_at_native_size(
    answer: Answer,
    task: Segmentation,
    loaders: Sequence[DataLoader[Any]],
    device: torch.device,
    data: Data,
) -> dict[int, np.ndarray]:
    """Which class was taken for which, of every photo with a mask.

    Logits are enlarged to the photo's size and compared there, as in predicting
    (:meth:`Segmentation.decode`); the mask is the one in the file, not a shrunken one.

    Returns:
        the photo's number → int64 (K, K), row: the truth, column: the prediction.
    """
    found = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for batches in tracked(zip(*loaders, strict=True), f"{TEXT}, in batches", len(loaders[0])):
            moved = [batch.to(device) for batch in batches]
            target = moved[0].targets[task.NAME]
            logits = answer(moved)[task.NAME].float().cpu()
            rows = target.present.nonzero()[:, 0].tolist()
            numbers = [int(moved[0].index[row]) for row in rows]
            masks = pool.map(lambda number: data.dataset.read(number).mask, numbers)
            for row, number, mask in zip(rows, numbers, masks, strict=True):
                if mask is not None:
                    size = (mask.shape[0], mask.shape[1])
                    area = data.fit.part(*size).relative(data.fit.size)
                    predicted = task.decode(task.within(logits[row], area), size)
                    found[number] = _counts(task, predicted, mask)
    return found


@torch.inference_mode()
def confusion_by_tiles(
    answer: Answer,
    task: Segmentation,
    prepare: Sequence[Prepare],
    device: torch.device,
    data: Data,
    numbers: Sequence[int],
) -> dict[int, np.ndarray]:
    """As :func:`confusion_at_native_size`, of photos that are seen tile by tile, as in predicting.

    Args:
        prepare: of each network, what it is shown of a picture.
        numbers: of the photos.
    """

    def of_pictures(pictures: Tensor) -> Any:
        images = LabelledImages.without_labels(pictures)
        return answer([one(images).to(device) for one in prepare])

    assert isinstance(data.fit, Tile)
    found = {}
    masked = [number for number in numbers if data.arrays.has_mask[number]]
    for number in tracked(masked, TEXT, len(masked)):
        photo = data.dataset.read(number)
        decided = look_by_tiles(data.fit, photo.image, {task.NAME: task}, of_pictures)[task.NAME]
        assert isinstance(decided, Decided)
        assert photo.mask is not None
        found[number] = _counts(task, decided.mask, photo.mask)
    return found


def _counts(task: Segmentation, predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    seen = torch.from_numpy(mask != IGNORE_INDEX)
    counts = confusion_counts(
        torch.from_numpy(predicted)[seen], torch.from_numpy(mask)[seen], len(task.classes.mask)
    )
    return counts.numpy()


def native_metrics(
    task: Segmentation, confusion: dict[int, np.ndarray]
) -> tuple[dict[str, MetricValue], dict[int, dict[str, float]]]:
    """Segmentation's metrics over all photos, and the IoU of each.

    Raises:
        DataError: no photo has a mask.
    """
    if not confusion:
        raise DataError("--native: no photo of this part has a mask")
    whole = np.sum(list(confusion.values()), axis=0)
    metrics = {f"{task.NAME}/{key}": value for key, value in task.pooled(_sums(whole)).items()}
    scores = {
        number: {f"{task.NAME}/iou": float(task.pool(_sums(counts).reshape(-1, 3)[:, :2].ravel()))}
        for number, counts in confusion.items()
    }
    return metrics, scores


def _sums(counts: np.ndarray) -> np.ndarray:
    """Intersection, union and mask of each class, as :meth:`Segmentation.pixels`: (3K,)."""
    hits, actual = np.diag(counts), counts.sum(axis=1)
    union = actual + counts.sum(axis=0) - hits
    return np.stack([hits, union, actual], axis=1).ravel()
