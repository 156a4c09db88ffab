"""Consistency: distortions that move nothing, pieces with the answers that belong to them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from auxseg.errors import UsageError
from auxseg.tasks import TASKS, Views, completed
from auxseg.tasks.consistency import Consistency
from auxseg.tasks.strong import PIECE_SHARE, distorted, drawn_piece, generators, inside
from auxseg.types import IGNORE_INDEX, ClassNames, LabelledImages, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def logits(probability: float, animal: torch.Tensor) -> torch.Tensor:
    """Logits (N, 2, H, W) by which each pixel has its class with this probability."""
    sure = math.log(probability / (1 - probability))
    return sure * F.one_hot(animal.long(), 2).permute(0, 3, 1, 2).float()


# -- what the teacher answers ---------------------------------------------------------------------


def test_only_confident_answers_count() -> None:
    task = Consistency(CLASSES, threshold=0.9)
    animal = torch.tensor([[[0, 1], [1, 0]]])
    plan = task.target(LabelledImages.without_labels(torch.rand(1, 3, 2, 2))).value
    assert task.complete(plan, logits(0.95, animal)).tolist() == animal.tolist()
    unsure = task.complete(plan, logits(0.85, animal))
    assert unsure.dtype == torch.uint8
    assert set(unsure.flatten().tolist()) == {IGNORE_INDEX}


def test_a_piece_brings_its_answer_with_it() -> None:
    task = Consistency(CLASSES)
    plan = torch.tensor([[1, 0, 0, 1, 2], [0, 0, 0, 0, 0]])  # image 0: rows 0, columns 0 and 1
    answers = task.complete(plan, logits(0.99, torch.stack([torch.zeros(2, 3), torch.ones(2, 3)])))
    assert answers.tolist() == [[[1, 1, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 1]]]


def test_view_and_answer_are_cut_alike(random_images: Images) -> None:
    """An image whose red channel is its mask: what is answered is what is shown."""
    task = Consistency(CLASSES, strength=0, cutmix=1)
    images = LabelledImages.without_labels(random_images(count=6, size=40).image.round())
    red = images.image[:, 0]
    example = task.example(images, seed=3)
    answers = task.complete(example.target.value, logits(0.99, red))
    own = Consistency(CLASSES, strength=0, cutmix=0).example(images, seed=3).view
    changed = (example.view != own).any(dim=1)
    assert changed.flatten(1).any(dim=1).sum() >= 4
    partner = red[example.target.value[:, 0]]
    pasted = inside(example.target.value[:, 1:], 40, 40)
    assert torch.equal(answers, torch.where(pasted, partner, red).to(torch.uint8))
    assert not bool((changed & ~pasted).any())


# -- loss and metrics -----------------------------------------------------------------------------


def test_the_loss_is_divided_by_all_pixels() -> None:
    """One confident pixel of four, at probability 1/2: log 2 / 4."""
    value = torch.full((1, 2, 2), IGNORE_INDEX, dtype=torch.uint8)
    value[0, 0, 0] = 1
    loss = Consistency(CLASSES).loss(torch.zeros(1, 2, 2, 2), value)
    assert loss.tolist() == pytest.approx([math.log(2) / 4])


def test_metrics_by_hand() -> None:
    task = Consistency(CLASSES)
    value = torch.tensor([[[0, 1], [1, IGNORE_INDEX]]], dtype=torch.uint8)
    metrics = task.metrics()
    found = torch.tensor([[[0, 0], [1, 1]]])
    metrics.update(logits(0.9, found), Target(value, torch.tensor([True])))
    assert metrics.compute() == {"agreement": pytest.approx(2 / 3), "confident": 0.75}
    assert task.teaching(Target(value, torch.tensor([True]))).tolist() == [1, 2, 4]
    assert task.teaching(Target(value, torch.tensor([False]))).tolist() == [0, 0, 0]


def test_without_a_confident_pixel_there_is_no_agreement() -> None:
    metrics = Consistency(CLASSES).metrics()
    value = torch.full((1, 2, 2), IGNORE_INDEX, dtype=torch.uint8)
    metrics.update(torch.zeros(1, 2, 2, 2), Target(value, torch.tensor([True])))
    assert metrics.compute() == {"agreement": None, "confident": 0.0}


@pytest.mark.parametrize(
    ("progress", "weight"),
    [(0.0, math.exp(-5)), (0.1, math.exp(-1.25)), (0.2, 1.0), (0.7, 1.0)],
)
def test_the_ramp_starts_above_0(progress: float, weight: float) -> None:
    assert Consistency(CLASSES, ramp=0.2).weight_at(progress) == pytest.approx(weight)
    assert Consistency(CLASSES).weight_at(progress) == 1.0


@pytest.mark.parametrize("option", ["threshold", "cutmix", "strength", "ramp"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_shares_are_between_0_and_1(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"consistency\.{option}.*between 0 and 1"):
        Consistency(CLASSES, **{option: value})


# -- which images take part -----------------------------------------------------------------------


def test_it_learns_from_images_without_a_mask_alone(random_images: Images) -> None:
    tasks = {name: TASKS[name](CLASSES) for name in ("segmentation", "consistency")}
    views = Views(tasks, "per-task")
    images = random_images(count=6, missing=(1, 3, 4))
    batch = views.batch(images, seed=0, training=True)
    assert {name: len(view) for name, view in batch.views.items()} == {"image": 3, "strong": 3}
    assert batch.asked is not None
    assert torch.equal(batch.asked, images.image[[1, 3, 4]])
    assert batch.labelled == {"segmentation": 3, "consistency": 3}
    assert torch.equal(batch.targets["segmentation"].value, images.mask[[0, 2, 5]])


def test_measured_are_all_images(random_images: Images) -> None:
    tasks = {name: TASKS[name](CLASSES) for name in ("segmentation", "consistency")}
    images = random_images(count=4, missing=(1,))
    batch = Views(tasks, "per-task").batch(images, seed=0)
    assert batch.asked is None
    assert batch.labelled == {"segmentation": 3, "consistency": 4}
    targets = completed(tasks, batch.targets, torch.zeros(4, 2, 32, 32))
    assert targets["consistency"].value.shape == (4, 32, 32)


def test_with_masks_everywhere_nothing_is_learned(random_images: Images) -> None:
    """Batch norms need images to normalise; what is seen of them has no label."""
    tasks = {name: TASKS[name](CLASSES) for name in ("segmentation", "consistency")}
    batch = Views(tasks, "per-task").batch(random_images(count=4), seed=0, training=True)
    assert batch.labelled == {"segmentation": 4, "consistency": 0}
    assert len(batch.views["strong"]) == 2


# -- distortions ----------------------------------------------------------------------------------


def test_distortions_move_nothing(random_images: Images) -> None:
    """A bright square on black: wherever it is bright, it was bright."""
    images = random_images(count=8, size=48)
    images.image.fill_(0)
    images.image[:, :, 16:32, 16:32] = 1
    found = distorted(images.image, 0.5, generators(images, 0))
    assert float(found[:, :, 24, 24].min()) > 0.1
    assert float(found[:, :, :8].max()) < 0.5


def test_the_same_key_distorts_alike(random_images: Images) -> None:
    images = random_images(count=4)
    first, again, other = (
        distorted(images.image, 0.5, generators(images, seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_some_images_are_grey_and_some_are_blurred(random_images: Images) -> None:
    images = random_images(count=200, size=16)
    found = distorted(images.image, 0.5, generators(images, 0))
    grey = (found - found.mean(dim=1, keepdim=True)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert 0.1 < float(grey.float().mean()) < 0.3
    assert torch.isfinite(found).all()


def test_pieces_have_the_share_that_they_should() -> None:
    shares = []
    for seed in range(300):
        top, left, bottom, right = drawn_piece(np.random.default_rng(seed), 100, 100, 1.0)
        assert 0 <= top < bottom <= 100
        assert 0 <= left < right <= 100
        shares.append((bottom - top) * (right - left) / 100**2)
    assert min(shares) < 0.05
    assert PIECE_SHARE[1] * 0.8 < max(shares) <= PIECE_SHARE[1] + 0.01
    assert drawn_piece(np.random.default_rng(0), 100, 100, 0.0) == (0, 0, 0, 0)


# -- classes that are never taught ----------------------------------------------------------------


def test_a_class_that_the_masks_have_and_the_teacher_never_names() -> None:
    task = Consistency(ClassNames(("road", "pole", "sign"), ()))
    assert task.counts_pixels
    task.see_pixels(np.array([90, 10, 0]))
    said = task.lacking([500, 0, 0])
    assert "pole" in said.during
    assert "sign" not in said.during
    assert said.after == said.during
    assert task.lacking([500, 1, 0]).during == ""
