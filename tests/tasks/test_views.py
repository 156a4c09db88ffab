"""Which task reads which input: one for all, or one for each that asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from auxseg.errors import UsageError
from auxseg.tasks import TASKS, Task, Views
from auxseg.tasks.denoising import Denoising
from auxseg.types import ClassNames, LabelledImages, Route

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
SUPERVISED = ("segmentation", "classification", "bbox")
Images = Callable[..., LabelledImages]


def tasks(*names: str) -> dict[str, Task]:
    return {name: TASKS[name](CLASSES) for name in names}


def readers(views: Views) -> dict[str, tuple[str, ...]]:
    """View name → the tasks that read it, each its own output."""
    assert all(route.task == route.output for routes in views.routes.values() for route in routes)
    return {view: tuple(route.task for route in routes) for view, routes in views.routes.items()}


@pytest.mark.parametrize("mode", ["shared", "per-task"])
def test_tasks_that_ask_for_nothing_else_share_the_clean_image(
    mode: str, random_images: Images
) -> None:
    views = Views(tasks(*SUPERVISED, "edges"), mode)
    assert readers(views) == {"image": (*SUPERVISED, "edges")}
    assert views.channels == 3
    images = random_images()
    made = views.batch(images, seed=0).views
    assert list(made) == ["image"]
    assert torch.equal(made["image"], images.image)


@pytest.mark.parametrize(
    ("asker", "view", "channels"),
    [("denoising", "noisy", 3), ("colorization", "lightness", 1)],
)
def test_a_shared_view_is_the_altered_one_for_every_task(
    asker: str, view: str, channels: int, random_images: Images
) -> None:
    given = tasks(*SUPERVISED, asker)
    views = Views(given, "shared")
    assert readers(views) == {view: (*SUPERVISED, asker)}
    assert views.channels == channels
    images = random_images()
    made = views.batch(images, seed=0).views
    assert list(made) == [view]
    assert torch.equal(made[view], given[asker].example(images, 0).view)
    assert made[view].shape[1] == channels


def test_per_task_every_altered_input_is_its_own(random_images: Images) -> None:
    given = tasks(*SUPERVISED, "denoising", "edges", "colorization")
    views = Views(given, "per-task")
    assert readers(views) == {
        "image": (*SUPERVISED, "edges"),
        "noisy": ("denoising",),
        "lightness": ("colorization",),
    }
    assert views.channels == 3
    images = random_images()
    made = views.batch(images, seed=0).views
    assert list(made) == list(views.routes)
    assert torch.equal(made["image"], images.image)
    assert torch.equal(made["noisy"], given["denoising"].example(images, 0).view)


def test_beside_others_lightness_is_a_grey_image_of_three_channels(random_images: Images) -> None:
    given = tasks("segmentation", "colorization")
    images = random_images()
    made = Views(given, "per-task").batch(images, seed=0).views["lightness"]
    assert made.shape == (4, 3, 32, 32)
    single = given["colorization"].example(images, 0).view
    for channel in range(3):
        assert torch.equal(made[:, channel], single[:, 0])


def test_alone_lightness_has_one_channel(random_images: Images) -> None:
    for mode in ("shared", "per-task"):
        views = Views(tasks("colorization"), mode)
        assert views.channels == 1
        assert views.batch(random_images(), seed=0).views["lightness"].shape[1] == 1


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("segmentation", "denoising"), "image"),
        (("denoising", "segmentation"), "noisy"),
        (("colorization", "denoising", "segmentation"), "lightness"),
    ],
)
def test_the_primary_task_s_view_comes_first(
    names: tuple[str, ...], first: str, random_images: Images
) -> None:
    views = Views(tasks(*names), "per-task")
    assert next(iter(views.routes)) == first
    assert next(iter(views.batch(random_images(), seed=0).views)) == first
    assert names[0] in readers(views)[first]


@pytest.mark.parametrize("mode", ["shared", "per-task"])
@pytest.mark.parametrize("extra", ["denoising", "edges", "colorization"])
def test_every_task_reads_exactly_one_view(mode: str, extra: str) -> None:
    names = (*SUPERVISED, extra)
    found = readers(Views(tasks(*names), mode))
    assert sorted(name for names in found.values() for name in names) == sorted(names)


def test_photos_that_are_predicted_get_no_noise(random_images: Images) -> None:
    images = random_images()
    made = Views(tasks("segmentation", "denoising"), "per-task")(images)
    assert torch.equal(made["noisy"], images.image)


def test_one_shared_view_cannot_be_altered_in_two_ways() -> None:
    with pytest.raises(UsageError) as caught:
        Views(tasks("segmentation", "denoising", "colorization"), "shared")
    message = str(caught.value)
    assert "\n" not in message
    for word in ("denoising", "colorization", "--views per-task"):
        assert word in message


def test_every_view_has_memory_of_its_own() -> None:
    """Memory that overlaps itself cannot be pinned, as loaders do beside a GPU."""
    images = LabelledImages.without_labels(torch.rand(2, 3, 8, 8))
    views = Views(tasks("segmentation", "denoising", "colorization"), "per-task")
    made = views.batch(images, seed=0).views
    assert len(made) == 3
    assert all(view.is_contiguous() for view in made.values())


class Selfish(Denoising):
    """Stands for a task whose input is of no use to any other."""

    SHAREABLE = False


def test_a_view_that_cannot_be_shared_is_refused_as_a_shared_one() -> None:
    given = {**tasks("segmentation"), "denoising": Selfish(CLASSES)}
    with pytest.raises(UsageError, match=r"denoising.*--views per-task"):
        Views(given, "shared")
    assert readers(Views(given, "per-task")) == {
        "image": ("segmentation",),
        "noisy": ("denoising",),
    }


def test_alone_a_task_needs_no_view_that_others_can_use(random_images: Images) -> None:
    given = {"denoising": Selfish(CLASSES)}
    images = random_images()
    made = Views(given, "shared").batch(images, seed=0).views
    assert torch.equal(made["noisy"], given["denoising"].example(images, 0).view)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.SHAREABLE])
def test_what_is_of_no_use_to_others_is_a_view_of_its_own(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}.*--views per-task"):
        Views(tasks("segmentation", name), "shared")
    routes = Views(tasks("segmentation", name, "edges"), "per-task").routes
    found = {view: tuple(route.task for route in there) for view, there in routes.items()}
    assert found == {"image": ("segmentation", "edges"), TASKS[name].VIEW: (name,)}


class Reader(Denoising):
    """Stands for a task that reads the primary task's output, in a view of its own."""

    READS_PRIMARY = True


def test_a_task_may_read_the_primary_output_in_its_own_view() -> None:
    views = Views({**tasks("segmentation"), "denoising": Reader(CLASSES)}, "per-task")
    assert views.routes == {
        "image": (Route("segmentation", "segmentation"),),
        "noisy": (Route("denoising", "segmentation"),),
    }
