"""What single images add to a task's main metric: pooled, it is the metric, over any images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.tasks import TASKS, Task
from auxseg.tasks.bbox import BoundingBox
from auxseg.tasks.classification import Classification
from auxseg.tasks.edges import Edges
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames, LabelledImages, Target

#: Two classes more than the images of these tests hold.
CLASSES = ClassNames(("background", "animal", "tree", "car"), ("cat", "dog", "bird"))
Images = Callable[..., LabelledImages]

#: Task → the prediction of which the target is exactly this.
PERFECT: dict[str, Callable[[Tensor], Tensor]] = {
    "segmentation": lambda value: (
        F.one_hot(value.long() % IGNORE_INDEX, 4).permute(0, 3, 1, 2).float()
    ),
    "classification": lambda value: F.one_hot(value, 3).float(),
    "bbox": lambda value: value - 0.5,
    "denoising": lambda value: value - 0.5,
    "edges": lambda value: value - 0.5,
    "boundary": lambda value: value - 0.5,
    "consistency": lambda value: (
        F.one_hot(value.long() % IGNORE_INDEX, 4).permute(0, 3, 1, 2).float()
    ),
    "distance": lambda value: value,
    "inpainting": lambda value: value - 0.5,
    "rotation": lambda value: F.one_hot(value, 4).float(),
    "colorization": lambda value: value[:, 1:],
}


@pytest.fixture(params=list(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param](CLASSES)


def some_images(make: Images, seed: int, count: int = 5) -> LabelledImages:
    """Images without a label, masks with pixels without one, image classes 0 and 1 of three."""
    images = make(count=count, missing=(1, 3), seed=seed)
    draw = torch.Generator().manual_seed(seed)
    unknown = torch.rand(images.mask.shape, generator=draw) < 0.2
    return replace(images, mask=torch.where(unknown, IGNORE_INDEX, images.mask))


def target_of(task: Task, images: LabelledImages, seed: int) -> Target:
    """A task's target; where a teacher is asked, it is sure of half the pixels."""
    target = task.example(images, seed).target
    if not task.ASKS_TEACHER:
        return target
    draw = torch.Generator().manual_seed(seed)
    logits = 6 * torch.randn(len(images.image), 4, *images.image.shape[-2:], generator=draw)
    return replace(target, value=task.complete(target.value, logits))


def random_prediction(task: Task, target: Target, seed: int) -> Tensor:
    """Right by chance; of the classes of a mask the last one is never found."""
    dense = target.value.shape[-2:] if task.head.kind == "dense" else ()
    shape = (len(target.value), task.head.channels, *dense)
    prediction = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if task.NAME == "segmentation":
        prediction[:, -1] = -9
    return prediction


def batches(task: Task, make: Images, number: int = 3) -> list[tuple[Tensor, Target]]:
    targets = [target_of(task, some_images(make, seed), seed) for seed in range(number)]
    return [(random_prediction(task, target, seed), target) for seed, target in enumerate(targets)]


def counts_of(task: Task, prediction: Tensor, target: Target) -> np.ndarray:
    """As validation takes them: of the labelled images alone."""
    return task.counts(prediction[target.present], target.value[target.present]).numpy()


def main_metric(task: Task, *given: tuple[Tensor, Target]) -> float:
    metrics = task.metrics()
    for prediction, target in given:
        metrics.update(prediction, target)
    value = metrics.compute()[next(iter(task.METRICS))]
    assert isinstance(value, float)
    return value


def test_pooled_over_batches_it_is_the_main_metric(task: Task, random_images: Images) -> None:
    given = batches(task, random_images)
    counts = np.concatenate([counts_of(task, *one) for one in given])
    assert len(counts) == sum(int(target.present.sum()) for _, target in given)
    pooled = task.pool(counts.sum(axis=0))
    assert float(pooled) == pytest.approx(main_metric(task, *given), rel=1e-5)
    assert float(pooled) != pytest.approx(main_metric(task, given[0]), rel=1e-5)


def test_pooled_over_a_draw_of_images_it_is_the_metric_of_these(
    task: Task, random_images: Images
) -> None:
    """A bootstrap: images drawn with replacement, without predicting anew."""
    prediction, target = batches(task, random_images, 1)[0]
    prediction, value = prediction[target.present], target.value[target.present]
    drawn = torch.tensor([0, 2, 2, 1])
    counts = task.counts(prediction, value).numpy()
    expected = main_metric(
        task, (prediction[drawn], Target(value[drawn], torch.ones(4, dtype=torch.bool)))
    )
    pooled = task.pool(counts[drawn.numpy()].sum(axis=0))
    assert float(pooled) == pytest.approx(expected, rel=1e-5)


def test_a_perfect_prediction_reaches_the_optimum(task: Task, random_images: Images) -> None:
    target = target_of(task, some_images(random_images, 0), 0)
    counts = counts_of(task, PERFECT[task.NAME](target.value), target)
    optimum = next(iter(task.METRICS.values())).optimum
    assert float(task.pool(counts.sum(axis=0))) == pytest.approx(optimum, abs=1e-6)
    wrong = counts_of(task, random_prediction(task, target, 0), target)
    assert float(task.pool(wrong.sum(axis=0))) != pytest.approx(optimum, abs=1e-2)


def test_an_image_s_counts_do_not_depend_on_the_others(task: Task, random_images: Images) -> None:
    prediction, target = batches(task, random_images, 1)[0]
    prediction, value = prediction[target.present], target.value[target.present]
    together = task.counts(prediction, value)
    assert together.shape[0] == len(value)
    assert together.ndim == 2
    assert together.dtype == torch.float32
    alone = [task.counts(prediction[i : i + 1], value[i : i + 1]) for i in range(len(value))]
    torch.testing.assert_close(together, torch.cat(alone))


def test_a_batch_without_a_labelled_image_has_no_counts(task: Task, random_images: Images) -> None:
    prediction, target = batches(task, random_images, 1)[0]
    some = counts_of(task, prediction, target)
    nothing = Target(target.value, torch.zeros_like(target.present))
    assert counts_of(task, prediction, nothing).shape == (0, some.shape[1])


def test_of_nothing_the_metric_is_nan_without_a_warning(task: Task, random_images: Images) -> None:
    counts = counts_of(task, *batches(task, random_images, 1)[0])
    nothing = np.zeros_like(counts[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(task.pool(nothing))
        assert np.isnan(task.pool(counts[:0].sum(axis=0)))
        mixed = task.pool(np.stack([nothing, counts.sum(axis=0), nothing]))
    assert np.isnan(mixed).tolist() == [True, False, True]


def test_pooling_runs_over_all_leading_axes_at_once(task: Task, random_images: Images) -> None:
    """Such as epochs × draws."""
    prediction, target = batches(task, random_images, 1)[0]
    counts = counts_of(task, prediction, target)
    weights = np.random.default_rng(0).integers(1, 5, (2, 6, len(counts)))
    sums = weights @ counts.astype(np.float64)
    pooled = task.pool(sums)
    assert pooled.shape == (2, 6)
    for row in range(2):
        for column in range(6):
            expected = task.pool(sums[row, column])
            assert expected.shape == ()
            assert pooled[row, column] == pytest.approx(float(expected), rel=1e-12)
    assert len(np.unique(pooled.round(9))) > 2


# -- numbers by hand ---------------------------------------------------------------------------


def test_segmentation_counts_intersection_and_union_of_each_class() -> None:
    """Two images of 2×3; in the first a pixel without a label, the third class nowhere."""
    task = Segmentation(ClassNames(("background", "animal", "tree"), ()))
    true = torch.tensor([[[0, 0, 1], [1, 1, 255]], [[0, 0, 0], [0, 0, 0]]])
    found = torch.tensor([[[0, 1, 1], [1, 0, 1]], [[0, 0, 0], [0, 0, 1]]])
    counts = task.counts(F.one_hot(found, 3).permute(0, 3, 1, 2).float(), true).numpy()
    assert counts.tolist() == [[1, 3, 2, 4, 0, 0], [5, 6, 0, 1, 0, 0]]
    assert float(task.pool(counts[0])) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert float(task.pool(counts[1])) == pytest.approx((5 / 6 + 0) / 2)
    assert float(task.pool(counts.sum(axis=0))) == pytest.approx((6 / 9 + 2 / 5) / 2)


def test_edges_count_pixels_hit_found_and_true() -> None:
    true = torch.tensor([[[[1.0, 1, 0], [0, 0, 0]]], [[[0, 0, 0], [1, 0, 0]]]])
    found = torch.tensor([[[[3.0, -1, 2], [-1, -1, -1]]], [[[-1, -1, -1], [5, -2, -1]]]])
    counts = Edges(CLASSES).counts(found, true).numpy()
    assert counts.tolist() == [[1, 2, 2], [1, 1, 1]]
    assert float(Edges(CLASSES).pool(counts.sum(axis=0))) == pytest.approx(2 * 2 / (3 + 3))


def test_means_over_images_count_a_sum_and_a_number() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 3, 1], [0, 1, 0]])
    task = Classification(CLASSES)
    counts = task.counts(logits, torch.tensor([0, 1, 2])).numpy()
    assert counts.tolist() == [[1, 1], [1, 1], [0, 1]]
    assert float(task.pool(counts.sum(axis=0))) == pytest.approx(2 / 3)
    # Off by 2.56 and 5.12 pixels of 256 in all four coordinates.
    value = torch.tensor([[0.2, 0.2, 0.6, 0.6], [0.1, 0.3, 0.5, 0.7]])
    box = BoundingBox(CLASSES)
    counts = box.counts(value + torch.tensor([[0.01], [0.02]]) - 0.5, value).numpy()
    assert counts[:, 0].tolist() == pytest.approx([2.56**2, 5.12**2], rel=1e-4)
    mean = (2.56**2 + 5.12**2) / 2
    assert float(box.pool(counts.sum(axis=0))) == pytest.approx(mean, rel=1e-4)
