"""Which task reads which input: one for all, or one for each that asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from auxseg.errors import UsageError
from auxseg.tasks import TASKS, Task, Views
from auxseg.types import ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
SUPERVISED = ("segmentation", "classification", "bbox")
Images = Callable[..., LabelledImages]


def tasks(*names: str) -> dict[str, Task]:
    return {name: TASKS[name](CLASSES) for name in names}


@pytest.mark.parametrize("mode", ["shared", "per-task"])
def test_tasks_that_ask_for_nothing_else_share_the_clean_image(
    mode: str, random_images: Images
) -> None:
    views = Views(tasks(*SUPERVISED, "edges"), mode)
    assert views.routes == {"image": (*SUPERVISED, "edges")}
    assert views.channels == 3
    images = random_images()
    made = views(images, seed=0)
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
    assert views.routes == {view: (*SUPERVISED, asker)}
    assert views.channels == channels
    images = random_images()
    made = views(images, seed=0)
    assert list(made) == [view]
    assert torch.equal(made[view], given[asker].view(images, 0))
    assert made[view].shape[1] == channels


def test_per_task_every_altered_input_is_its_own(random_images: Images) -> None:
    given = tasks(*SUPERVISED, "denoising", "edges", "colorization")
    views = Views(given, "per-task")
    assert views.routes == {
        "image": (*SUPERVISED, "edges"),
        "noisy": ("denoising",),
        "lightness": ("colorization",),
    }
    assert views.channels == 3
    images = random_images()
    made = views(images, seed=0)
    assert list(made) == list(views.routes)
    assert torch.equal(made["image"], images.image)
    assert torch.equal(made["noisy"], given["denoising"].view(images, 0))


def test_beside_others_lightness_is_a_grey_image_of_three_channels(random_images: Images) -> None:
    given = tasks("segmentation", "colorization")
    images = random_images()
    made = Views(given, "per-task")(images, seed=0)["lightness"]
    assert made.shape == (4, 3, 32, 32)
    single = given["colorization"].view(images, 0)
    for channel in range(3):
        assert torch.equal(made[:, channel], single[:, 0])


def test_alone_lightness_has_one_channel(random_images: Images) -> None:
    for mode in ("shared", "per-task"):
        views = Views(tasks("colorization"), mode)
        assert views.channels == 1
        assert views(random_images(), seed=0)["lightness"].shape[1] == 1


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
    assert next(iter(views(random_images(), seed=0))) == first
    assert names[0] in views.routes[first]


@pytest.mark.parametrize("mode", ["shared", "per-task"])
@pytest.mark.parametrize("extra", ["denoising", "edges", "colorization"])
def test_every_task_reads_exactly_one_view(mode: str, extra: str) -> None:
    names = (*SUPERVISED, extra)
    routes = Views(tasks(*names), mode).routes
    assert sorted(name for route in routes.values() for name in route) == sorted(names)


def test_without_a_seed_there_is_no_noise(random_images: Images) -> None:
    images = random_images()
    made = Views(tasks("segmentation", "denoising"), "per-task")(images, seed=None)
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
    made = Views(tasks("segmentation", "denoising", "colorization"), "per-task")(images, seed=0)
    assert len(made) == 3
    assert all(view.is_contiguous() for view in made.values())
