"""Colorization: Lab against scikit-image, loss and metrics against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from auxseg.data.decode import read_image, stretch
from auxseg.errors import UsageError
from auxseg.tasks.colorization import Colorization
from auxseg.tasks.lab import lab_to_rgb, rgb_to_lab
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def channels_last(image: torch.Tensor) -> np.ndarray:
    return image.permute(0, 2, 3, 1).double().numpy()


def random_image(seed: int = 0, count: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def photo(shared: Path, size: int = 96) -> np.ndarray:
    path = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[5]
    return stretch(Sample(read_image(path)), size).image


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


# -- Lab ------------------------------------------------------------------------------------------


def test_lab_is_scikit_image_s_on_random_pixels() -> None:
    image = random_image()
    expected = rgb2lab(channels_last(image))
    np.testing.assert_allclose(channels_last(rgb_to_lab(image)), expected, atol=1e-3)


def test_lab_is_scikit_image_s_on_the_darkest_and_the_purest_colours() -> None:
    """Both sides of every threshold: near black, greys, the corners of the colour cube."""
    ramp = torch.linspace(0, 1, 256).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    corners = torch.cartesian_prod(*3 * [torch.tensor([0.0, 0.02, 1.0])]).T.reshape(1, 3, 1, 27)
    for image in (ramp, 0.05 * random_image(1), corners):
        expected = rgb2lab(channels_last(image))
        np.testing.assert_allclose(channels_last(rgb_to_lab(image)), expected, atol=1e-3)


def test_lab_is_scikit_image_s_on_a_photo(shared: Path) -> None:
    pixels = photo(shared)
    expected = rgb2lab(pixels)
    found = channels_last(rgb_to_lab(as_tensor(pixels)))[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_there_and_back_is_the_image(shared: Path) -> None:
    for image in (random_image(), 0.05 * random_image(1), as_tensor(photo(shared))):
        torch.testing.assert_close(lab_to_rgb(rgb_to_lab(image)), image, atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore:.*negative Z values:UserWarning")
def test_the_way_back_is_scikit_image_s_also_for_impossible_colours() -> None:
    """Colours that no RGB has are clipped."""
    draw = torch.Generator().manual_seed(2)
    lab = 220 * torch.rand(3, 3, 32, 32, generator=draw) - 110
    lab[:, 0] = 100 * torch.rand(3, 32, 32, generator=draw)
    expected = lab2rgb(channels_last(lab))
    assert float(expected.min()) == 0
    assert float(expected.max()) == 1
    np.testing.assert_allclose(channels_last(lab_to_rgb(lab)), expected, atol=1e-3)


# -- view and target ------------------------------------------------------------------------------


def test_the_view_is_lightness_from_0_to_1(random_images: Images) -> None:
    images = random_images()
    view = Colorization(CLASSES).view(images)
    expected = rgb2lab(channels_last(images.image))[..., 0] / 100
    np.testing.assert_allclose(view[:, 0].numpy(), expected, atol=1e-5)


def test_the_view_has_no_colour_left() -> None:
    """Two colours of one lightness look the same."""
    lab = torch.tensor([[60.0, 20.0, -15.0], [60.0, -20.0, 30.0]]).view(2, 3, 1, 1)
    images = LabelledImages.without_labels(lab_to_rgb(lab).expand(2, 3, 8, 8).contiguous())
    red, green = Colorization(CLASSES).view(images)
    torch.testing.assert_close(red, green, atol=1e-5, rtol=0)
    assert not torch.allclose(images.image[0], images.image[1], atol=0.1)


def test_the_target_is_lab_in_hundredths(random_images: Images) -> None:
    images = random_images()
    target = Colorization(CLASSES).target(images)
    expected = rgb2lab(channels_last(images.image)) / 100
    np.testing.assert_allclose(channels_last(target.value), expected, atol=1e-5)


def test_view_and_target_share_one_conversion(
    random_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[torch.Tensor] = []

    def counted(image: torch.Tensor) -> torch.Tensor:
        calls.append(image)
        return rgb_to_lab(image)

    monkeypatch.setattr("auxseg.tasks.colorization.rgb_to_lab", counted)
    task, images = Colorization(CLASSES), random_images()
    value, view = task.target(images).value, task.view(images)
    assert len(calls) == 1
    assert torch.equal(view, value[:, :1])
    dark = replace(images, image=images.image / 2)
    assert not torch.allclose(task.view(dark), view, atol=0.05)
    assert len(calls) == 2


# -- loss and metrics -----------------------------------------------------------------------------


def test_the_loss_is_that_of_a_and_b_alone(random_images: Images) -> None:
    """A constant error of 10 in a and 20 in b, whatever the lightness."""
    task = Colorization(CLASSES)
    value = task.target(random_images()).value
    prediction = value[:, 1:] + torch.tensor([0.1, -0.2]).view(1, 2, 1, 1)
    expected = 50 * (0.1**2 + 0.2**2) / 2
    torch.testing.assert_close(task.loss(prediction, value), torch.full((4,), expected))
    doubled = Colorization(CLASSES, scale=100.0).loss(prediction, value)
    torch.testing.assert_close(doubled, torch.full((4,), 2 * expected))
    value[:, 0] = torch.rand(value[:, 0].shape)
    torch.testing.assert_close(task.loss(prediction, value), torch.full((4,), expected))


def test_metrics_are_numpy_s(random_images: Images) -> None:
    task = Colorization(CLASSES)
    images = random_images()
    target = task.target(images)
    draw = torch.Generator().manual_seed(5)
    prediction = 0.3 * torch.randn(4, 2, 32, 32, generator=draw)
    metrics = task.metrics()
    metrics.update(prediction[:3], Target(target.value[:3], target.present[:3]))
    metrics.update(prediction[3:], Target(target.value[3:], target.present[3:]))

    rgb = channels_last(images.image)
    lab, found = rgb2lab(rgb), 100 * channels_last(prediction)
    distance = np.sqrt((found[..., 0] - lab[..., 1]) ** 2 + (found[..., 1] - lab[..., 2]) ** 2)
    coloured = channels_last(lab_to_rgb(torch.from_numpy(np.concatenate(
        [lab[..., :1], found], axis=3)).permute(0, 3, 1, 2)))  # fmt: skip
    square = ((coloured - rgb) ** 2).mean(axis=(1, 2, 3))
    assert metrics.compute() == {
        "psnr": pytest.approx(float(np.mean(10 * np.log10(1 / square))), abs=1e-3),
        "ab_error": pytest.approx(float(distance.mean()), abs=1e-3),
    }


# -- what a user gets -----------------------------------------------------------------------------


def test_decoded_colours_have_the_photo_s_size_and_lab_s_units() -> None:
    prediction = torch.stack([torch.full((16, 16), 0.3), torch.full((16, 16), -0.5)])
    decoded = Colorization(CLASSES).decode(prediction, size=(20, 30))
    assert decoded.shape == (20, 30, 2)
    np.testing.assert_allclose(decoded[..., 0], 30, atol=1e-4)
    np.testing.assert_allclose(decoded[..., 1], -50, atol=1e-4)


def test_the_picture_of_the_truth_is_the_photo(shared: Path) -> None:
    pixels, task = photo(shared), Colorization(CLASSES)
    truth = task.label(Sample(pixels))
    np.testing.assert_allclose(truth, rgb2lab(pixels)[..., 1:], atol=1e-3)
    picture = task.picture(pixels, truth)
    assert int(np.abs(picture.astype(int) - pixels).max()) <= 1


def test_the_picture_keeps_the_lightness_and_takes_the_colours_found(shared: Path) -> None:
    pixels, task = photo(shared), Colorization(CLASSES)
    grey = task.picture(pixels, np.zeros((*pixels.shape[:2], 2), np.float32))
    spread = grey.astype(int).max(axis=2) - grey.astype(int).min(axis=2)
    assert int(spread.max()) <= 1
    np.testing.assert_allclose(rgb2lab(grey)[..., 0], rgb2lab(pixels)[..., 0], atol=0.5)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bad_scale_is_named(scale: float) -> None:
    with pytest.raises(UsageError, match=r"tasks\.options\.colorization\.scale") as caught:
        Colorization(CLASSES, scale=scale)
    assert "\n" not in str(caught.value)
