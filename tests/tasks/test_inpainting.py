"""Inpainting: which patches are hidden, and that nothing but these is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from auxseg.data.decode import read_image, stretch
from auxseg.tasks.inpainting import FILL, SHOWN, Inpainting
from auxseg.types import ClassNames, Example, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def hidden(example: Example) -> np.ndarray:
    """bool (N, H, W): the pixels that are asked for, in every channel or in none."""
    asked = (example.target.value != SHOWN).numpy()
    assert np.array_equal(asked.any(axis=1), asked.all(axis=1))
    return np.asarray(asked.any(axis=1))


def patches_of(pixels: np.ndarray) -> list[np.ndarray]:
    """bool (H, W) → the 64 patches, each a part of it."""
    edges = [[-(-side * part // 8) for part in range(9)] for side in pixels.shape]
    rows, columns = (list(itertools.pairwise(one)) for one in edges)
    return [pixels[top:low, left:right] for top, low in rows for left, right in columns]


# -- what is hidden -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 32, 61, 96, 100])
def test_exactly_half_of_the_patches_are_hidden(size: int, random_images: Images) -> None:
    images = random_images(count=5, size=size)
    for pixels in hidden(Inpainting(CLASSES).example(images, 0)):
        patches = patches_of(pixels)
        assert {patch.shape[0] for patch in patches} <= {size // 8, -(-size // 8)}
        assert all(patch.all() or not patch.any() for patch in patches)
        assert sum(bool(patch.all()) for patch in patches) == 32


def test_hidden_pixels_are_grey_and_the_others_are_the_image_s(random_images: Images) -> None:
    images = random_images(size=40)
    example = Inpainting(CLASSES).example(images, 0)
    where = torch.from_numpy(hidden(example))[:, None].expand_as(images.image)
    assert bool((example.view[where] == FILL).all())
    assert torch.equal(example.view[~where], images.image[~where])
    assert torch.equal(example.target.value[where], images.image[where])
    assert bool((example.target.value[~where] == SHOWN).all())


def test_every_image_and_every_epoch_has_patches_of_its_own(random_images: Images) -> None:
    images, task = random_images(count=30), Inpainting(CLASSES)
    first = hidden(task.example(images, 0))
    assert len({pixels.tobytes() for pixels in first}) == 30
    for other in (task.example(replace(images, epoch=1), 0), task.example(images, 1)):
        assert not any(map(np.array_equal, hidden(other), first))


def test_every_patch_is_hidden_as_often_as_shown() -> None:
    images = LabelledImages.without_labels(torch.zeros(2000, 3, 8, 8))
    share = hidden(Inpainting(CLASSES).example(images, 0)).mean(axis=0)
    assert share.shape == (8, 8)
    assert share.min() > 0.45
    assert share.max() < 0.55


@pytest.mark.parametrize("shape", [(32, 32), (61, 96)])
def test_in_prediction_every_other_patch_is_hidden(shape: tuple[int, int]) -> None:
    images = LabelledImages.without_labels(torch.rand(2, 3, *shape))
    task = Inpainting(CLASSES)
    example = Example(task.view(images), task.target(images))
    first, second = hidden(example)
    assert np.array_equal(first, second)
    board = [bool(patch.all()) for patch in patches_of(first)]
    assert board == [(row + column) % 2 == 1 for row in range(8) for column in range(8)]
    assert bool((example.view[:, :, first] == FILL).all())
    assert torch.equal(example.view[:, :, ~first], images.image[:, :, ~first])


# -- loss and metric ------------------------------------------------------------------------------


def test_the_loss_is_the_absolute_error_of_the_hidden_pixels() -> None:
    value = torch.full((2, 3, 2, 2), SHOWN)
    value[0, :, 0, 0], value[0, :, 1, 1] = 0.5, 0.9
    prediction = torch.full((2, 3, 2, 2), 7.0)
    prediction[0, :, 0, 0], prediction[0, :, 1, 1] = 0.1, 0.1
    found = Inpainting(CLASSES, scale=1).loss(prediction, value)
    torch.testing.assert_close(found, torch.tensor([(0.1 + 0.3) / 2, 0.0]))


def test_what_is_shown_costs_nothing_and_counts_nowhere(random_images: Images) -> None:
    task, images = Inpainting(CLASSES), random_images(size=32)
    value = task.example(images, 0).target.value
    prediction = (0.1 * torch.randn(4, 3, 32, 32)).requires_grad_()
    changed = torch.where(value == SHOWN, prediction.detach() + 3, prediction.detach())
    assert torch.equal(task.loss(prediction, value), task.loss(changed, value))
    assert torch.equal(task.counts(prediction, value), task.counts(changed, value))
    task.loss(prediction, value).sum().backward()
    assert prediction.grad is not None
    assert bool(((prediction.grad != 0) == (value != SHOWN)).all())


def test_psnr_is_scikit_image_s_over_the_hidden_pixels(random_images: Images) -> None:
    task, images = Inpainting(CLASSES), random_images(size=32)
    example = task.example(images, 0)
    prediction = 0.3 * torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    metrics = task.metrics()
    metrics.update(prediction, example.target, example.view)
    answer = (prediction + 0.5).clamp(0, 1)
    for name, shown in {"psnr": answer, "input_psnr": torch.full_like(answer, 0.5)}.items():
        expected = np.mean(
            [
                peak_signal_noise_ratio(true[:, where], found[:, where], data_range=1)
                for true, found, where in zip(
                    images.image.numpy(), shown.numpy(), hidden(example), strict=True
                )
            ]
        )
        assert metrics.compute()[name] == pytest.approx(float(expected), rel=1e-5)


def test_a_black_image_under_grey_is_six_decibels() -> None:
    """20 log10(1 / 0.5), whatever is shown beside it."""
    images = LabelledImages.without_labels(torch.zeros(1, 3, 16, 16))
    task = Inpainting(CLASSES)
    example = task.example(images, 0)
    metrics = task.metrics()
    metrics.update(torch.zeros(1, 3, 16, 16), example.target, example.view)
    assert metrics.compute() == {
        "psnr": pytest.approx(6.0206, abs=1e-3), "input_psnr": pytest.approx(6.0206, abs=1e-3),
    }  # fmt: skip


def test_the_reference_leaves_images_out_that_do_not_count(random_images: Images) -> None:
    task, images = Inpainting(CLASSES), random_images()
    example = task.example(images, 0)
    some, all_of_them = task.metrics(), task.metrics()
    prediction = torch.zeros(4, 3, 32, 32)
    present = torch.tensor([True, False, True, True])
    some.update(prediction, Target(example.target.value, present), example.view)
    rows = [0, 2, 3]
    all_of_them.update(
        prediction[rows], Target(example.target.value[rows], present[rows]), example.view[rows]
    )
    assert some.compute() == all_of_them.compute()


# -- what users see -------------------------------------------------------------------------------


def test_its_picture_fills_the_gaps_of_the_photo_and_leaves_the_rest() -> None:
    photo = np.random.default_rng(0).integers(0, 200, (45, 70, 3), dtype=np.uint8)
    answer = np.full_like(photo, 255)
    picture = Inpainting(CLASSES).picture(photo, answer)
    filled = (picture == 255).all(axis=2)
    assert np.array_equal(picture[~filled], photo[~filled])
    board = [bool(patch.all()) for patch in patches_of(filled)]
    assert board == [(row + column) % 2 == 1 for row in range(8) for column in range(8)]


def test_the_answer_at_the_photo_s_size(shared: Path) -> None:
    photo = read_image(shared / "data" / "oxford-iiit-pet" / "images" / "Abyssinian_1.jpg")
    small = stretch(Sample(photo), 128).image
    prediction = torch.from_numpy(small).permute(2, 0, 1).float() / 255 - 0.5
    task = Inpainting(CLASSES)
    answer = task.decode(prediction, (photo.shape[0], photo.shape[1]))
    assert (answer.shape, answer.dtype) == (photo.shape, np.uint8)
    assert np.abs(answer.astype(float) - photo).mean() < 8
    assert np.array_equal(task.label(Sample(photo)), photo)
