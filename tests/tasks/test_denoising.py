"""Denoising: the noise as measured, PSNR and SSIM against scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from auxseg.data.decode import read_image, stretch
from auxseg.errors import UsageError
from auxseg.tasks.denoising import Denoising
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def plain(level: float, count: int = 2, size: int = 128) -> LabelledImages:
    """Images of one grey level."""
    return LabelledImages.without_labels(torch.full((count, 3, size, size), level))


def channels_last(image: torch.Tensor) -> np.ndarray:
    return image.permute(0, 2, 3, 1).double().numpy()


# -- noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("std", [2.0, 25.0])
def test_the_noise_is_gaussian_of_the_given_strength(std: float) -> None:
    images = plain(0.5)
    noise = 255 * (Denoising(CLASSES, std=std).example(images, 0).view - images.image)
    assert float(noise.std()) == pytest.approx(std, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02 * std)
    assert float((noise / std).pow(4).mean()) == pytest.approx(3, abs=0.2)


def test_channels_pixels_and_images_have_noise_of_their_own() -> None:
    images = plain(0.5)
    noise = (Denoising(CLASSES, std=25.0).example(images, 0).view - images.image).numpy()
    pairs = {
        "images": (noise[0], noise[1]),
        "channels": (noise[:, 0], noise[:, 1]),
        "columns": (noise[..., :-1], noise[..., 1:]),
        "rows": (noise[..., :-1, :], noise[..., 1:, :]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02, name


def test_the_default_is_the_paper_s_std() -> None:
    """An error of 2 of 255 is 42.1 dB."""
    images = plain(0.5)
    square = float((Denoising(CLASSES).example(images, 0).view - images.image).square().mean())
    assert -10 * np.log10(square) == pytest.approx(20 * np.log10(255 / 2), abs=0.1)


def test_the_noise_is_clipped_as_in_a_photo() -> None:
    """Half of the noise on white and on black is lost."""
    for level in (0.0, 1.0):
        view = Denoising(CLASSES, std=50.0).example(plain(level), 0).view
        assert float(view.min()) >= 0
        assert float(view.max()) <= 1
        assert float((view == level).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_without_strength_the_image_is_seen_as_it_is() -> None:
    images = plain(0.5)
    assert torch.equal(Denoising(CLASSES, std=0.0).example(images, 0).view, images.image)


def test_the_target_is_the_clean_image(random_images: Images) -> None:
    images = random_images()
    target = Denoising(CLASSES).target(images)
    assert torch.equal(target.value, images.image)
    assert not torch.equal(Denoising(CLASSES).example(images, 0).view, target.value)


# -- loss and metrics -----------------------------------------------------------------------------


def test_the_loss_is_the_scaled_squared_error() -> None:
    """The head's zero stands for mid-grey."""
    value = torch.full((2, 3, 8, 8), 0.5)
    prediction = torch.zeros(2, 3, 8, 8)
    prediction[1] = 0.2
    found = Denoising(CLASSES).loss(prediction, value)
    torch.testing.assert_close(found, torch.tensor([0.0, 10 * 0.2**2]))
    found = Denoising(CLASSES, scale=3.0).loss(prediction, value)
    torch.testing.assert_close(found, torch.tensor([0.0, 3 * 0.2**2]))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """scikit-image's SSIM as Wang et al. define it, over the windows that fit into the image."""
    return float(
        structural_similarity(
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=2,
        )
    )


def continued(image: np.ndarray) -> np.ndarray:
    """Five pixels of reflection around (H, W, 3): a window fits at every pixel of the image."""
    return np.pad(image, ((5, 5), (5, 5), (0, 0)), mode="reflect")


def compare(clean: torch.Tensor, noisy: torch.Tensor, view: torch.Tensor) -> None:
    """The task's metrics against scikit-image's, image by image."""
    task = Denoising(CLASSES)
    metrics = task.metrics()
    count = len(clean)
    for cut in (slice(0, 1), slice(1, count)):
        present = torch.ones(len(clean[cut]), dtype=torch.bool)
        metrics.update(noisy[cut] - 0.5, Target(clean[cut], present), view[cut])
    pairs = list(zip(channels_last(clean), channels_last(noisy), strict=True))
    seen = list(zip(channels_last(clean), channels_last(view), strict=True))
    expected = {
        "psnr": np.mean([peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs]),
        "ssim": np.mean([ssim(continued(a), continued(b)) for a, b in pairs]),
        "input_psnr": np.mean([peak_signal_noise_ratio(a, b, data_range=1) for a, b in seen]),
    }
    found = metrics.compute()
    assert found["psnr"] == pytest.approx(expected["psnr"], abs=1e-3)
    assert found["input_psnr"] == pytest.approx(expected["input_psnr"], abs=1e-3)
    assert found["ssim"] == pytest.approx(expected["ssim"], abs=1e-4)
    # The border counts here, and is left out there.
    assert found["ssim"] == pytest.approx(np.mean([ssim(a, b) for a, b in pairs]), abs=0.02)


def test_metrics_are_scikit_image_s_on_random_images(random_images: Images) -> None:
    images = random_images(count=3, size=48)
    weak, strong = (Denoising(CLASSES, std=std).example(images, 0).view for std in (10.0, 40.0))
    compare(images.image, weak, strong)


def test_metrics_are_scikit_image_s_on_photos(shared: Path) -> None:
    paths = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[::150]
    small = np.stack([stretch(Sample(read_image(path)), 64).image for path in paths])
    images = LabelledImages.without_labels(torch.from_numpy(small).permute(0, 3, 1, 2) / 255)
    weak, strong = (Denoising(CLASSES, std=std).example(images, 0).view for std in (5.0, 30.0))
    compare(images.image, weak, strong)


def test_the_input_s_psnr_runs_over_labelled_images_only(random_images: Images) -> None:
    task, images = Denoising(CLASSES), random_images()
    view = task.example(images, 0).view
    view[2:] = 0.5
    present = torch.tensor([True, True, False, False])
    metrics = task.metrics()
    metrics.update(torch.zeros_like(view), Target(images.image, present), view)
    expected = np.mean(
        [
            peak_signal_noise_ratio(a, b, data_range=1)
            for a, b in zip(channels_last(images.image[:2]), channels_last(view[:2]), strict=True)
        ]
    )
    assert metrics.compute()["input_psnr"] == pytest.approx(expected, abs=1e-3)


def test_without_the_input_its_psnr_is_unknown(random_images: Images) -> None:
    task, images = Denoising(CLASSES), random_images()
    metrics = task.metrics()
    metrics.update(torch.zeros(4, 3, 32, 32), task.target(images))
    found = metrics.compute()
    assert found["input_psnr"] is None
    assert found["psnr"] is not None


def test_a_perfect_image_is_100_decibels(random_images: Images) -> None:
    task, images = Denoising(CLASSES), random_images()
    metrics = task.metrics()
    metrics.update(images.image - 0.5, task.target(images), images.image)
    assert metrics.compute() == {
        "psnr": pytest.approx(100),
        "ssim": pytest.approx(1),
        "input_psnr": pytest.approx(100),
    }


@pytest.mark.parametrize("size", [8, 10, 11, 16])
def test_metrics_are_numbers_at_every_image_size(size: int, random_images: Images) -> None:
    """8 is the least ``data.image_size``; SSIM's window is 11 pixels wide."""
    task, images = Denoising(CLASSES), random_images(size=size)
    metrics = task.metrics()
    metrics.update(torch.zeros(4, 3, size, size), task.target(images), images.image)
    for name, value in metrics.compute().items():
        assert isinstance(value, float)
        assert np.isfinite(value), name


# -- what a user gets, and what is refused --------------------------------------------------------


def test_the_decoded_image_has_the_photo_s_size() -> None:
    prediction = torch.zeros(3, 16, 16)
    prediction[0], prediction[1] = 2.0, -2.0
    decoded = Denoising(CLASSES).decode(prediction, size=(20, 30))
    assert (decoded.shape, decoded.dtype) == ((20, 30, 3), np.uint8)
    assert decoded[10, 15].tolist() == [255, 0, 128]


def test_the_picture_is_the_cleaned_image_itself() -> None:
    photo = np.full((4, 4, 3), 90, np.uint8)
    cleaned = np.full((4, 4, 3), 70, np.uint8)
    picture = Denoising(CLASSES).picture(photo, cleaned)
    np.testing.assert_array_equal(picture, cleaned)
    assert not np.shares_memory(picture, cleaned)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"std": -1.0}, "std"),
        ({"std": 256.0}, "std"),
        ({"std": float("nan")}, "std"),
        ({"scale": 0.0}, "scale"),
        ({"scale": -1.0}, "scale"),
        ({"scale": float("inf")}, "scale"),
        ({"scale": float("nan")}, "scale"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, float], key: str) -> None:
    with pytest.raises(UsageError, match=rf"tasks\.options\.denoising\.{key}") as caught:
        Denoising(CLASSES, **options)
    assert "\n" not in str(caught.value)
