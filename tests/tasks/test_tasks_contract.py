"""What every task promises, over :data:`TASKS`: a new task is tested without a new test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from auxseg.assembly import make_augment
from auxseg.config import AugmentationConfig
from auxseg.data.decode import read_image, stretch
from auxseg.tasks import TASKS, MetricValue, Task, masked_mean
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


@pytest.fixture(params=list(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param](CLASSES)


SELF_SUPERVISED = [name for name, task in TASKS.items() if task.LABEL is None]


@pytest.fixture(params=SELF_SUPERVISED)
def own_target(request: pytest.FixtureRequest) -> Task:
    """A task whose target comes from the image itself."""
    return TASKS[request.param](CLASSES)


@pytest.fixture(scope="session")
def photos(shared: Path) -> LabelledImages:
    """Four real photos of 64 pixels, without labels."""
    paths = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[::100]
    small = np.stack([stretch(Sample(read_image(path)), 64).image for path in paths])
    image = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255
    return LabelledImages.without_labels(image)


def target_of(task: Task, images: LabelledImages) -> Target:
    """A task's target; where a teacher is asked, it is sure that bright pixels are animals."""
    target = task.target(images)
    if not task.ASKS_TEACHER:
        return target
    bright = F.one_hot((images.image[:, 0] > 0.5).long(), len(CLASSES.mask))
    return replace(target, value=task.complete(target.value, 9.0 * bright.permute(0, 3, 1, 2)))


def random_prediction(task: Task, count: int, size: int, seed: int = 1) -> Tensor:
    shape = (count, task.head.channels, *((size, size) if task.head.kind == "dense" else ()))
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def measured(task: Task, *batches: tuple[Tensor, Target]) -> dict[str, MetricValue]:
    metrics = task.metrics()
    for prediction, target in batches:
        metrics.update(prediction, target)
    return metrics.compute()


def flat(metrics: dict[str, MetricValue]) -> dict[str, float | None]:
    """Values per class one by one, for comparison within rounding."""
    return {
        f"{name}/{number}": item
        for name, value in metrics.items()
        for number, item in enumerate(value if isinstance(value, list) else [value])
    }


def part(target: Target, where: slice) -> Target:
    return Target(target.value[where], target.present[where])


def test_declares_name_weight_and_metrics(task: Task) -> None:
    assert TASKS[task.NAME] is type(task)
    assert task.WEIGHT > 0
    assert task.METRICS
    assert task.head.channels >= 1


def test_target_of_labelled_images(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images(count=4))
    assert target.present.dtype == torch.bool
    assert target.present.tolist() == [True] * 4
    assert len(target.value) == 4


def test_target_keeps_its_shape_where_the_label_is_missing(
    task: Task, random_images: Images
) -> None:
    complete, partial = (target_of(task, random_images(missing=gone)) for gone in ((), (1, 2)))
    assert partial.value.shape == complete.value.shape
    assert partial.value.dtype == complete.value.dtype
    assert partial.present[[0, 3]].tolist() == [True, True]


def test_loss_is_one_finite_number_per_sample(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images(missing=(1, 3)))
    losses = task.loss(random_prediction(task, 4, 32), target.value)
    assert losses.shape == (4,)
    assert losses.dtype == torch.float32
    assert bool(torch.isfinite(losses).all())
    assert bool((losses[target.present] > 0).all())


def test_unlabelled_samples_get_no_gradient(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images(missing=(1, 3)))
    prediction = random_prediction(task, 4, 32).requires_grad_()
    present = torch.tensor([True, False, True, False])
    masked_mean(task.loss(prediction, target.value), present).backward()
    assert prediction.grad is not None
    sizes = prediction.grad.flatten(1).abs().sum(dim=1)
    assert sizes[[1, 3]].tolist() == [0, 0]
    assert bool((sizes[[0, 2]] > 0).all())
    assert bool(torch.isfinite(sizes).all())


def test_a_sample_s_loss_does_not_depend_on_the_others(task: Task, random_images: Images) -> None:
    value = target_of(task, random_images()).value
    prediction = random_prediction(task, 4, 32)
    together = task.loss(prediction, value)
    alone = torch.cat([task.loss(prediction[i : i + 1], value[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone)


def test_minimising_the_loss_brings_every_metric_to_its_optimum(
    task: Task, random_images: Images
) -> None:
    target = target_of(task, random_images())
    prediction = random_prediction(task, 4, 32).requires_grad_()
    optimizer = torch.optim.Adam([prediction], lr=0.05)
    # An absolute error is as steep beside its minimum as far from it: smaller steps in the end.
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 0.95 ** max(0, n - 350))
    for _ in range(600):
        optimizer.zero_grad()
        task.loss(prediction, target.value).sum().backward()
        optimizer.step()
        schedule.step()
    metrics = measured(task, (prediction.detach(), target))
    assert {name: metrics[name] for name in task.METRICS} == {
        name: pytest.approx(info.optimum, abs=1e-3) for name, info in task.METRICS.items()
    }


def test_a_wrong_prediction_is_not_optimal(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images())
    metrics = measured(task, (random_prediction(task, 4, 32), target))
    for name, info in task.METRICS.items():
        value = metrics[name]
        assert isinstance(value, float)
        assert value < info.optimum if info.higher_is_better else value > info.optimum


def test_without_a_labelled_sample_every_metric_is_none(task: Task, random_images: Images) -> None:
    value = target_of(task, random_images()).value
    nothing = Target(value, torch.zeros(4, dtype=torch.bool))
    for metrics in (measured(task), measured(task, (random_prediction(task, 4, 32), nothing))):
        assert set(task.METRICS) <= set(metrics)
        assert set(metrics.values()) == {None}


def test_metrics_run_over_labelled_samples_only(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images())
    prediction = random_prediction(task, 4, 32)
    some = Target(target.value, torch.tensor([True, True, False, False]))
    first_two = measured(task, (prediction[:2], part(target, slice(2))))
    assert flat(measured(task, (prediction, some))) == pytest.approx(flat(first_two))
    assert flat(measured(task, (prediction, target))) != pytest.approx(flat(first_two))


def test_metrics_of_several_batches_are_those_of_one(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images())
    prediction = random_prediction(task, 4, 32)
    whole = measured(task, (prediction, target))
    pieces = [(prediction[cut], part(target, cut)) for cut in (slice(0, 1), slice(1, 4))]
    assert flat(measured(task, *pieces)) == pytest.approx(flat(whole))


def test_reset_forgets_everything(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images())
    metrics = task.metrics()
    metrics.update(random_prediction(task, 4, 32), target)
    metrics.reset()
    assert set(metrics.compute().values()) == {None}
    again = random_prediction(task, 4, 32, seed=2)
    metrics.update(again, target)
    assert metrics.compute() == measured(task, (again, target))


@pytest.mark.parametrize("name", TASKS)
def test_a_process_without_labels_takes_part_in_the_sum(name: str) -> None:
    metrics = TASKS[name](CLASSES).metrics()
    states = [module for module in metrics.modules() if isinstance(module, Metric)]
    joined = set()

    def sync(number: int, tensor: Tensor) -> list[Tensor]:
        joined.add(number)
        return [tensor, tensor]  # the other process sends what this one has

    for number, state in enumerate(states):
        state.distributed_available_fn = lambda: True
        state.dist_sync_fn = lambda tensor, group, number=number: sync(number, tensor)
    metrics.compute()
    assert joined == set(range(len(states)))


def test_pictures_are_drawn_on_a_copy(task: Task) -> None:
    photo = np.full((40, 60, 3), 90, dtype=np.uint8)
    decoded = task.decode(2 * random_prediction(task, 1, 32)[0], size=(40, 60))
    picture = task.picture(photo, decoded)
    assert picture.shape == photo.shape
    assert picture.dtype == np.uint8
    assert bool((photo == 90).all())
    assert bool((picture != photo).any())


def test_the_truth_is_drawn_as_the_prediction_is(task: Task) -> None:
    """Over the photo, or as a picture of the same size beside it."""
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:30, 10:30] = 1
    box = np.array([0.1, 0.2, 0.5, 0.6], dtype=np.float32)
    truth = task.label(Sample(image, mask, 1, box))
    assert truth is not None
    predicted = task.decode(random_prediction(task, 1, 32)[0], size=(40, 60))
    assert type(truth) is type(predicted)
    picture, other = task.picture(image, truth), task.picture(image, predicted)
    assert picture.shape == other.shape == image.shape
    assert picture.dtype == other.dtype == np.uint8
    if task.LAYER is None:
        if isinstance(truth, np.ndarray):
            assert (truth.shape, truth.dtype) == (predicted.shape, predicted.dtype)
        assert bool((picture != other).any())
    else:
        assert bool((picture != image).any())


# -- labels that are missing ----------------------------------------------------------------------


def test_what_is_not_counted_is_present_nowhere(task: Task, random_images: Images) -> None:
    """As loaders hand over an image repeated for another process: its labels are taken away."""
    images = random_images(missing=(1,))
    images.counted[1] = False
    assert target_of(task, images).present.tolist() == [True, False, True, True]


def test_every_image_has_a_self_supervised_target(own_target: Task, random_images: Images) -> None:
    target = target_of(own_target, random_images(missing=(0, 1, 2, 3)))
    assert target.present.tolist() == [True] * 4
    assert bool(torch.isfinite(target.value).all())


def test_labels_do_not_change_a_self_supervised_target(
    own_target: Task, random_images: Images
) -> None:
    complete, bare = (target_of(own_target, random_images(missing=gone)) for gone in ((), range(4)))
    assert torch.equal(complete.value, bare.value)


def test_supervised_tasks_learn_nothing_from_bare_images(
    task: Task, photos: LabelledImages
) -> None:
    present = target_of(task, photos).present
    assert present.tolist() == [task.LABEL is None] * len(photos.image)


# -- targets of mirrored images -------------------------------------------------------------------


def mirrored(images: LabelledImages) -> LabelledImages:
    return replace(images, image=images.image.flip(-1).contiguous())


@pytest.mark.parametrize("source", ["random_images", "photos"])
def test_a_mirrored_image_has_the_mirrored_target(
    own_target: Task, source: str, request: pytest.FixtureRequest
) -> None:
    given = request.getfixturevalue(source)
    images: LabelledImages = given if isinstance(given, LabelledImages) else given()
    if own_target.head.kind != "dense" or own_target.DRAWS_TARGET:
        pytest.skip("the target is no picture of the image alone")
    target, other = (target_of(own_target, each).value for each in (images, mirrored(images)))
    differ = float((other.flip(-1) != target).float().sum())
    if own_target.NAME == "edges":
        # Canny breaks a tie between two columns in favour of the left one.
        assert differ <= 0.02 * float(target.sum())
    else:
        assert differ == 0
    assert bool((other != target).any())


# -- several answers for one image ----------------------------------------------------------------


def test_a_mirrored_image_s_answer_is_that_of_the_image_once_it_is_mirrored(
    task: Task, random_images: Images
) -> None:
    images = random_images(count=6)
    flipped = make_augment(
        AugmentationConfig(
            *(1.0, (1.0, 1.0), 0.0, 0.0), brightness=0, contrast=0, saturation=0, hue=0
        )
    )(images, 0)
    output = random_prediction(task, 6, 32)
    if task.DRAWS_TARGET:
        assert torch.equal(task.mirrored(task.mirrored(output)), output)
        return
    target, other = target_of(task, images), target_of(task, flipped)
    found = task.loss(task.mirrored(output), target.value)[target.present]
    expected = task.loss(output, other.value)[other.present]
    # Canny breaks a tie between two columns in favour of the left one.
    tolerance = 0.02 if task.NAME == "edges" else 1e-5
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_the_average_of_equal_answers_is_that_answer(task: Task, random_images: Images) -> None:
    output = random_prediction(task, 3, 32)
    images = random_images(count=3)
    target = target_of(task, images)
    losses = [task.loss(one, target.value) for one in (output, task.averaged([output] * 3))]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


def test_the_average_depends_on_no_order(task: Task) -> None:
    outputs = [20 * random_prediction(task, 2, 8, seed) for seed in range(3)]
    torch.testing.assert_close(task.averaged(outputs), task.averaged(outputs[::-1]))
    assert not torch.allclose(task.averaged(outputs), outputs[0], atol=0.1)


# -- views ----------------------------------------------------------------------------------------

SEED = 3


def rows(images: LabelledImages, *numbers: int) -> LabelledImages:
    """Some of the images, in this order."""
    chosen = list(numbers)
    names = ("image", "mask", "label", "box", "has_mask", "counted", "index")
    return replace(images, **{name: getattr(images, name)[chosen] for name in names})


def shown(task: Task, images: LabelledImages, seed: int | None) -> Tensor:
    """What a task is shown, in training with a seed, in prediction without one."""
    return task.view(images) if seed is None else task.example(images, seed).view


def is_noisy(task: Task, images: LabelledImages) -> bool:
    return not torch.equal(shown(task, images, SEED), shown(task, images, None))


def test_views_that_are_random(random_images: Images) -> None:
    """Of those whose target is drawn too, what is random is not noise on something else."""
    noisy = {name for name in TASKS if is_noisy(TASKS[name](CLASSES), random_images())}
    drawn = {name for name in TASKS if TASKS[name].DRAWS_TARGET}
    assert noisy - drawn == {"denoising"}
    assert drawn <= noisy


@pytest.mark.parametrize("seed", [SEED, None])
def test_a_view_is_an_image_of_the_declared_channels(
    task: Task, seed: int | None, random_images: Images
) -> None:
    images = random_images(count=3, size=24)
    images.image[0], images.image[1] = 0.0, 1.0
    view = shown(task, images, seed)
    assert view.shape == (3, task.VIEW_CHANNELS, 24, 24)
    assert view.dtype == torch.float32
    assert float(view.min()) >= 0
    assert float(view.max()) <= 1


def test_making_an_example_changes_no_image(task: Task, random_images: Images) -> None:
    images = random_images()
    before = images.image.clone()
    task.example(images, SEED)
    assert torch.equal(images.image, before)


def test_an_example_holds_the_target_of_the_images(task: Task, random_images: Images) -> None:
    """Where that is drawn with the view, another one of the same form."""
    images = random_images(missing=[1])
    found, expected = task.example(images, SEED).target, task.target(images)
    assert torch.equal(found.value, expected.value) is not task.DRAWS_TARGET
    assert (found.value.shape, found.value.dtype) == (expected.value.shape, expected.value.dtype)
    assert torch.equal(found.present, expected.present)


def test_no_two_tasks_draw_the_same_random_numbers(
    random_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one draw those that augment: no key of a random generator serves twice."""
    keys: list[tuple[int, ...]] = []
    real = np.random.default_rng

    def spy(key: tuple[int, ...]) -> np.random.Generator:
        keys.append(tuple(np.atleast_1d(key).tolist()))
        return real(key)

    images = random_images()
    monkeypatch.setattr(np.random, "default_rng", spy)
    make_augment(AugmentationConfig())(images, SEED)
    for name in TASKS:
        TASKS[name](CLASSES).example(images, SEED)
    assert len(keys) > len(images.image)
    draws = [real(key).standard_normal() for key in keys]
    assert len(set(draws)) == len(draws)


def test_what_is_measured_is_the_same_in_any_batch(task: Task, random_images: Images) -> None:
    images = random_images()
    whole = task.measured(images, SEED)
    for numbers in ([2, 0], [3]):
        part = task.measured(rows(images, *numbers), SEED)
        assert torch.equal(part.view, whole.view[numbers])
        assert torch.equal(part.target.present, whole.target.present[numbers])


@pytest.mark.parametrize("seed", [SEED, None])
def test_a_view_is_the_same_in_any_batch(
    task: Task, seed: int | None, random_images: Images
) -> None:
    if task.ASKS_TEACHER and seed is not None:
        pytest.skip("images get pieces of the batch's others")
    images = random_images()
    whole = shown(task, images, seed)
    assert torch.equal(shown(task, images, seed), whole)
    assert torch.equal(shown(task, rows(images, 2, 0), seed), whole[[2, 0]])
    assert torch.equal(shown(task, rows(images, 3), seed), whole[[3]])


def test_seed_epoch_and_image_each_change_the_noise(task: Task, random_images: Images) -> None:
    images = random_images()
    noisy = is_noisy(task, images)
    view = shown(task, images, SEED)
    others = (
        shown(task, images, SEED + 1),
        shown(task, replace(images, epoch=1), SEED),
        shown(task, replace(images, index=images.index + 1), SEED),
    )
    for other in others:
        assert torch.equal(other, view) is not noisy


def test_in_prediction_epoch_and_number_do_not_matter(task: Task, random_images: Images) -> None:
    images = random_images()
    other = replace(images, epoch=5, index=images.index + 7)
    assert torch.equal(task.view(images), task.view(other))


def test_metrics_are_exact_in_mixed_precision_too(task: Task, random_images: Images) -> None:
    target = target_of(task, random_images())
    prediction = random_prediction(task, 4, 32)
    exact = measured(task, (prediction, target))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = measured(task, (prediction, target))
    assert flat(mixed) == pytest.approx(flat(exact))
