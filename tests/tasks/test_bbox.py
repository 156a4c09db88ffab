"""Boxes against NumPy, a rasterised IoU and numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from auxseg.tasks.base import MetricValue
from auxseg.tasks.bbox import BoundingBox, box_iou, to_box
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames((), ())


def predicting(boxes: np.ndarray) -> torch.Tensor:
    """The head's output that means these boxes."""
    return torch.tensor(boxes, dtype=torch.float32) - to_box(torch.zeros(4))


def measured(predicted: np.ndarray, actual: np.ndarray) -> dict[str, MetricValue]:
    metrics = BoundingBox(CLASSES).metrics()
    value = torch.tensor(actual, dtype=torch.float32)
    metrics.update(predicting(predicted), Target(value, torch.ones(len(value), dtype=torch.bool)))
    return metrics.compute()


def random_boxes(count: int, seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, 1, (count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def test_an_error_of_a_tenth_in_one_coordinate() -> None:
    actual = np.array([[0.2, 0.2, 0.6, 0.7]])
    metrics = measured(actual + np.array([0.1, 0, 0, 0]), actual)
    assert metrics["l2"] == pytest.approx(0.1**2 * 256**2 / 4, rel=1e-5)
    assert metrics["rmse"] == pytest.approx(0.1 * 256 / 2, rel=1e-5)
    assert metrics["iou"] == pytest.approx(0.3 / 0.4, rel=1e-5)


def test_metrics_equal_numpy() -> None:
    predicted, actual = random_boxes(20, seed=0), random_boxes(20, seed=1)
    metrics = measured(predicted, actual)
    square = np.mean(((predicted - actual) * 256) ** 2)
    assert metrics["l2"] == pytest.approx(square, rel=1e-5)
    assert metrics["rmse"] == pytest.approx(np.sqrt(square), rel=1e-5)
    ious = [plain_iou(a, b) for a, b in zip(predicted, actual, strict=True)]
    assert metrics["iou"] == pytest.approx(np.mean(ious), rel=1e-5)


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def test_iou_equals_counting_pixels() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        masks, boxes = np.zeros((2, 50, 50), dtype=bool), []
        for mask in masks:
            (left, right), (top, bottom) = (
                np.sort(rng.choice(51, 2, replace=False)) for _ in range(2)
            )
            mask[top:bottom, left:right] = True
            boxes.append(torch.tensor([[left, top, right, bottom]]) / 50)
        counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert float(box_iou(*boxes)) == pytest.approx(counted, abs=1e-5)


def test_iou_of_an_inverted_or_empty_box_is_zero() -> None:
    boxes = torch.tensor([[0.6, 0.2, 0.2, 0.6], [0.3, 0.3, 0.3, 0.3], [0.0, 0.0, 0.1, 0.1]])
    truth = torch.tensor([0.2, 0.2, 0.6, 0.6]).expand(3, 4)
    assert box_iou(boxes, truth).tolist() == [0, 0, 0]


def test_loss_by_hand_and_its_scale() -> None:
    value = torch.tensor([[0.2, 0.2, 0.6, 0.7]])
    prediction = predicting(value.numpy() + np.array([0.1, 0, 0, -0.2]))
    square = (0.1**2 + 0.2**2) / 4
    for scale in (1.0, 20.0):
        loss = BoundingBox(CLASSES, scale=scale).loss(prediction, value)
        assert loss.tolist() == pytest.approx([scale * square])


def test_missing_boxes_are_not_present(random_images: Callable[..., LabelledImages]) -> None:
    target = BoundingBox(CLASSES).target(random_images(missing=(0, 3)))
    assert target.present.tolist() == [False, True, True, False]
    assert bool(torch.isfinite(target.value).all())


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0.25, 0.5, 0.75, 1.0], (50, 50, 150, 100)),
        ([-0.5, 0.5, 1.5, 0.75], (0, 50, 200, 75)),  # beyond the photo
        ([0.75, 1.0, 0.25, 0.5], (50, 50, 150, 100)),  # corners the wrong way round
        ([2.0, 2.0, 3.0, 3.0], (200, 100, 200, 100)),  # wholly outside
    ],
)
def test_decode_is_in_pixels_clamped_and_ordered(
    box: list[float], expected: tuple[int, ...]
) -> None:
    decoded = BoundingBox(CLASSES).decode(predicting(np.array(box)), size=(100, 200))
    assert decoded == pytest.approx(expected)


def test_decoding_the_truth_gives_the_label() -> None:
    box = random_boxes(1, seed=4)[0].astype(np.float32)
    task, image = BoundingBox(CLASSES), np.zeros((120, 75, 3), np.uint8)
    label = task.label(Sample(image, box=box))
    assert label == pytest.approx(task.decode(predicting(box), (120, 75)), abs=0.01)
    assert task.label(Sample(image)) is None


def test_picture_changes_the_frame_only() -> None:
    photo = np.random.default_rng(0).integers(0, 200, (100, 120, 3), dtype=np.uint8)
    picture = BoundingBox(CLASSES).picture(photo, (20.0, 30.0, 80.0, 90.0))
    changed = (picture != photo).any(axis=2)
    frame = np.zeros_like(changed)
    frame[28:93, 18:83] = True
    frame[33:88, 23:78] = False
    assert not changed[~frame].any()
    assert changed[30, 20:81].all()
    assert changed[90, 20:81].all()
    assert changed[30:91, 20].all()
    assert changed[30:91, 80].all()


def test_head_asks_for_four_numbers() -> None:
    head = BoundingBox(CLASSES).head
    assert (head.kind, head.channels) == ("global", 4)
