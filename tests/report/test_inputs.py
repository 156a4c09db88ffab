"""Fig. 2's panels, against OpenCV and scikit-image, for a real photo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from auxseg.data.decode import read_image, stretch
from auxseg.report.inputs import inputs_figure, panels
from auxseg.tasks import TASKS
from auxseg.types import ClassNames, LabelledImages, Sample

CLASSES = ClassNames(("background", "pet"), ("cat", "dog"))


@pytest.fixture(scope="module")
def photo(shared: Path) -> np.ndarray:
    path = shared / "data" / "oxford-iiit-pet" / "images" / "Abyssinian_1.jpg"
    return stretch(Sample(read_image(path)), 128).image


def test_edges_are_opencv_s(photo: np.ndarray) -> None:
    shown = panels(TASKS["edges"](CLASSES), Sample(photo))
    canny = cv2.Canny(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), 100, 200, L2gradient=True)
    assert np.array_equal(shown["input"], photo)
    assert 0.02 < (canny > 0).mean() < 0.5
    assert np.array_equal(shown["target"].max(axis=2) < 128, canny > 0)


def test_colorization_is_scikit_image_s(photo: np.ndarray) -> None:
    shown = panels(TASKS["colorization"](CLASSES), Sample(photo))
    lab = rgb2lab(photo)
    lightness = np.round(255 * lab[..., 0] / 100)
    assert np.abs(shown["input"].astype(float) - lightness[..., None]).max() <= 1
    grey = rgb2lab(np.full((1, 1, 3), 158, dtype=np.uint8))[0, 0, 0]
    plain = np.dstack([np.full(lab.shape[:2], grey), lab[..., 1], lab[..., 2]])
    expected = 255 * lab2rgb(plain)
    assert np.abs(shown["target"].astype(float) - expected).max() <= 1


def test_noise_is_what_was_asked_for(photo: np.ndarray) -> None:
    shown = panels(TASKS["denoising"](CLASSES, std=8.0), Sample(photo))
    assert np.array_equal(shown["target"], photo)
    inner = (photo > 40) & (photo < 215)  # clipping takes nothing away there
    noise = shown["input"].astype(float)[inner] - photo.astype(float)[inner]
    assert noise.std() == pytest.approx(8.0, rel=0.05)
    assert abs(noise.mean()) < 0.2
    amplified = shown["change ×16"].astype(float)[inner] - 127.5
    assert np.corrcoef(np.clip(16 * noise, -127.5, 127.5), amplified)[0, 1] > 0.99


def test_a_row_per_task_with_photo_input_target_and_answers(photo: np.ndarray) -> None:
    tasks = [TASKS[name](CLASSES) for name in ("denoising", "edges", "colorization")]
    figure = inputs_figure(tasks, Sample(photo), {"edges": {"mtan-canny": photo}})
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == [
        "denoising", "input", "target", "change ×16",
        "edges", "input", "target", "by mtan-canny",
        "colorization", "input", "target",
    ]  # fmt: skip


def test_a_target_from_the_mask_needs_one(photo: np.ndarray) -> None:
    task = TASKS["boundary"](CLASSES)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[40:80, 40:80] = 1
    shown = panels(task, Sample(photo, mask=mask))
    assert list(shown) == ["input", "target"]
    assert 0 < (shown["target"].max(axis=2) < 128).mean() < 0.2
    assert list(panels(task, Sample(photo))) == ["input"]


@pytest.mark.parametrize(
    "name",
    [name for name, task in TASKS.items() if task.DRAWS_TARGET and not task.ASKS_TEACHER],
)
def test_where_the_target_is_drawn_input_and_target_are_those_of_prediction(
    name: str, photo: np.ndarray
) -> None:
    task = TASKS[name](CLASSES)
    shown = panels(task, Sample(photo))
    assert list(shown) == ["input", "target"]
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    view = task.view(LabelledImages.without_labels(image))[0].permute(1, 2, 0)
    assert np.abs(shown["input"] - 255 * view.numpy()).max() <= 0.51
