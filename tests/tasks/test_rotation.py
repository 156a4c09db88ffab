"""Rotation against NumPy's quarter turns, and which turns are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from auxseg.tasks.rotation import TURNS, Rotation, Turn
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def test_the_view_is_numpy_s_rot90(random_images: Images) -> None:
    images = random_images(count=16, size=24)
    example = Rotation(CLASSES).example(images, 0)
    turns = example.target.value.tolist()
    assert set(turns) == {0, 1, 2, 3}
    for image, view, turn in zip(images.image, example.view, turns, strict=True):
        assert np.array_equal(view.numpy(), np.rot90(image.numpy(), turn, axes=(1, 2)))


def test_all_turns_are_drawn_equally_often() -> None:
    images = LabelledImages.without_labels(torch.zeros(4000, 3, 1, 1))
    turns = Rotation(CLASSES).example(images, 0).target.value
    assert torch.bincount(turns, minlength=4).tolist() == pytest.approx([1000] * 4, abs=110)


def test_an_epoch_draws_anew_and_a_seed_again(random_images: Images) -> None:
    images, task = random_images(count=40, size=8), Rotation(CLASSES)
    first = task.example(images, 0).target.value
    assert torch.equal(task.example(images, 0).target.value, first)
    for other in (task.example(replace(images, epoch=1), 0), task.example(images, 1)):
        assert 0.1 < float((other.target.value == first).float().mean()) < 0.5


def test_images_that_are_not_square_cannot_be_turned_in_a_batch() -> None:
    images = LabelledImages.without_labels(torch.rand(2, 3, 8, 12))
    with pytest.raises(ValueError, match=r"square.*8×12"):
        Rotation(CLASSES).example(images, 0)
    assert torch.equal(Rotation(CLASSES).view(images), images.image)


def test_as_it_is_an_image_is_upright(random_images: Images) -> None:
    images = random_images()
    images.counted[2] = False
    task = Rotation(CLASSES)
    assert torch.equal(task.view(images), images.image)
    for target in (task.target(images), task.example(images, 0).target):
        assert target.present.tolist() == [True, True, False, True]
    assert task.target(images).value.tolist() == [0] * 4
    assert task.label(Sample(np.zeros((4, 6, 3), np.uint8))) == Turn(0)


def test_loss_and_accuracy_by_hand() -> None:
    task = Rotation(CLASSES)
    logits = torch.tensor([[math.log(3), 0, 0, 0], [0, 0, 0, 0.0], [0, 9, 0, 0], [0, 0, 9, 0]])
    value = torch.tensor([0, 2, 1, 1])
    found = task.loss(logits, value)
    assert found[:2].tolist() == pytest.approx([math.log(2), math.log(4)])
    metrics = task.metrics()
    metrics.update(logits, Target(value, torch.tensor([True, False, True, True])))
    assert metrics.compute() == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.parametrize("turn", range(4))
def test_it_says_how_a_turned_photo_is_turned(turn: int) -> None:
    logits = torch.zeros(4)
    logits[turn] = math.log(7)
    decoded = Rotation(CLASSES).decode(logits, (40, 60))
    assert decoded.quarters == turn
    assert decoded.probability == pytest.approx(0.7)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("shape", [(120, 120), (90, 200)])
def test_the_arrow_points_to_where_the_top_went(turn: int, shape: tuple[int, int]) -> None:
    """Its head is the heavier end; the top of an upright photo is rows of white."""
    upright = np.zeros((*shape, 3), np.uint8)
    upright[:10] = 255
    photo = np.ascontiguousarray(np.rot90(upright, turn))
    top = np.argwhere(photo[..., 0] == 255).mean(axis=0)
    grey = np.full_like(photo, 90)
    picture = Rotation(CLASSES).picture(grey, Turn(turn))
    red = np.argwhere((picture[..., 0] > 180) & (picture[..., 1] < 90))
    middle = (np.array(photo.shape[:2]) - 1) / 2
    towards = (top - middle) / np.linalg.norm(top - middle)
    along = (red - middle) @ towards
    across = (red - middle) @ towards[::-1]
    assert along.max() > 20
    assert along.min() < -20
    head = np.ptp(across[along > along.max() - 12])
    tail = np.ptp(across[along < along.min() + 12])
    assert head > 2 * tail


def test_the_four_answers_are_told_in_words() -> None:
    assert len(set(TURNS)) == 4
    photo = np.full((200, 300, 3), 90, np.uint8)
    pictures = [Rotation(CLASSES).picture(photo, Turn(turn, 0.5)) for turn in range(4)]
    corners = {picture[:30, :150].tobytes() for picture in pictures}
    assert len(corners) == 4
