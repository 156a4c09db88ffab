"""Sums of counts: exact, over batches, and the one source of a task's metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auxseg.tasks import Task
from auxseg.tasks.edges import Edges
from auxseg.tasks.pooled import PooledMetrics, SumOfCounts, binary_counts, f1, known
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames, Target

THREE = ClassNames(("background", "animal", "tree"), ())


def batch(task: Task, seed: int) -> tuple[torch.Tensor, Target]:
    """A random prediction and target of four images, one of them without a label."""
    draw = torch.Generator().manual_seed(seed)
    prediction = torch.randn(4, task.head.channels, 16, 16, generator=draw)
    value = torch.randint(0, task.head.channels + 1, (4, 16, 16), generator=draw)
    if task.NAME == "segmentation":
        value[value == task.head.channels] = IGNORE_INDEX
    else:
        value = value[:, None].float()
    return prediction, Target(value, torch.tensor([True, True, False, True]))


def test_more_pixels_than_a_32_bit_float_can_count() -> None:
    sums = SumOfCounts(2)
    for _ in range(3):
        sums.update(torch.tensor([[2.0**24, 1.0]]))
    assert sums.compute().tolist() == [3 * 2**24, 3]


@pytest.mark.parametrize("task", [Segmentation(THREE), Edges(THREE)], ids=lambda task: task.NAME)
def test_metrics_are_exactly_what_the_images_counts_pool_to(task: Task) -> None:
    """Validation's metric and the study's, which pools counts, are one number."""
    metrics = task.metrics()
    counts = []
    for seed in range(3):
        prediction, target = batch(task, seed)
        metrics.update(prediction, target)
        counts.append(task.counts(prediction[target.present], target.value[target.present]))
    pooled = task.pool(torch.cat(counts).double().sum(dim=0).numpy())
    assert metrics.compute()[next(iter(task.METRICS))] == float(pooled)


def test_an_image_s_score_is_what_its_counts_pool_to() -> None:
    task = Segmentation(THREE)
    prediction, target = batch(task, 0)
    scores = task.scores(prediction, target.value)["iou"]
    pooled = task.pool(task.counts(prediction, target.value).double().numpy())
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(scores.numpy(), pooled, rtol=1e-6)


def test_reset_forgets() -> None:
    metrics = Segmentation(THREE).metrics()
    metrics.update(*batch(Segmentation(THREE), 0))
    metrics.reset()
    assert set(metrics.compute().values()) == {None}


def test_f1_by_hand() -> None:
    """Image 1: two found, one of them true, three true. Image 2: nothing at all."""
    found = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]]]).bool()
    true = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 0, 0]]]).bool()
    counts = binary_counts(found, true).numpy()
    assert counts.tolist() == [[1, 2, 3], [0, 0, 0]]
    assert f1(counts)[0] == pytest.approx(2 / 5)
    assert math.isnan(f1(counts)[1])
    assert known(f1(counts)[1]) is None
    assert known(f1(counts.sum(axis=0))) == pytest.approx(2 / 5)


def test_metrics_are_given_the_sums_over_labelled_images() -> None:
    metrics = PooledMetrics(1, lambda prediction, value: value, lambda sums: {"sum": sums[0]})
    target = Target(torch.tensor([[1], [2], [4]]), torch.tensor([True, False, True]))
    metrics.update(torch.zeros(3, 1), target)
    metrics.update(torch.zeros(3, 1), target)
    assert metrics.compute() == {"sum": 10.0}
