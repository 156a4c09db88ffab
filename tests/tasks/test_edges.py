"""Edges: Canny itself as the oracle, the balanced loss and F1 by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from auxseg.data.decode import read_image, stretch
from auxseg.errors import UsageError
from auxseg.tasks.edges import COLOURS, NORMS, Edges
from auxseg.types import ClassNames, LabelledImages, Sample, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
Images = Callable[..., LabelledImages]


def square(size: int = 32) -> np.ndarray:
    """uint8 (size, size, 3): a bright square on black."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[8:24, 10:22] = 240
    return pixels


def as_images(pixels: np.ndarray) -> LabelledImages:
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    return LabelledImages.without_labels(image)


# -- target ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_target_is_canny_of_the_photo(norm: str, colour: str, shared: Path) -> None:
    """From floats in [0, 1], the edges of the 8-bit photo itself."""
    for path in sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[::150]:
        pixels = stretch(Sample(read_image(path)), 128).image
        seen = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if colour == "grey" else pixels
        expected = cv2.Canny(seen, 60, 150, L2gradient=norm == "l2") > 0
        task = Edges(CLASSES, low=60, high=150, norm=norm, colour=colour)
        target = task.target(as_images(pixels))
        assert target.value.shape == (1, 1, 128, 128)
        assert target.value.dtype == torch.float32
        np.testing.assert_array_equal(target.value[0, 0].numpy(), expected)
        np.testing.assert_array_equal(task.label(Sample(pixels)), expected)
        assert 0 < expected.mean() < 0.5


def test_options_change_the_edges(shared: Path) -> None:
    path = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[0]
    images = as_images(stretch(Sample(read_image(path)), 128).image)
    plain = Edges(CLASSES).target(images).value
    for options in ({"norm": "l1"}, {"colour": "rgb"}, {"low": 20.0}, {"high": 300.0}):
        other = Edges(CLASSES, **options).target(images).value  # type: ignore[arg-type]
        assert not torch.equal(other, plain), options


def test_grey_is_made_from_rgb_and_not_from_bgr() -> None:
    """A step in blue alone is hardly a step in grey; the same step in red is one."""
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[0, :, 16:, 0] = pixels[1, :, 16:, 2] = 240
    red, blue = (Edges(CLASSES).target(as_images(each)).value.sum() for each in pixels)
    assert float(red) > 0
    assert float(blue) == 0


def test_edges_follow_the_outline() -> None:
    edges = Edges(CLASSES).label(Sample(square()))
    inside = np.zeros((32, 32), bool)
    inside[7:25, 9:23] = True
    inside[10:22, 12:20] = False
    assert bool((edges <= inside).all())
    assert int(edges.sum()) >= 2 * (14 + 10)


@pytest.mark.parametrize(("norm", "share"), [("l2", 0.002), ("l1", 0.02)])
@pytest.mark.parametrize("colour", COLOURS)
def test_edges_of_mirrored_photos_are_the_mirrored_edges_but_for_ties(
    norm: str, share: float, colour: str, shared: Path
) -> None:
    """OpenCV keeps the left one of two neighbours with the same gradient."""
    task = Edges(CLASSES, norm=norm, colour=colour)
    differ = edges = 0
    for path in sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))[::20]:
        pixels = stretch(Sample(read_image(path)), 128).image
        found = task.label(Sample(pixels))
        mirrored = task.label(Sample(np.ascontiguousarray(pixels[:, ::-1])))
        differ += int((mirrored[:, ::-1] != found).sum())
        edges += int(found.sum())
    assert edges > 10_000
    assert differ <= share * edges


# -- loss -----------------------------------------------------------------------------------------


def test_canny_is_given_what_torch_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every level, every half between two, in both orders of memory."""
    ramp = torch.cat([torch.arange(256), torch.arange(255) + 0.5, torch.rand(1)]) / 255
    image = torch.stack([ramp, ramp.flip(0), ramp.roll(7)]).view(1, 3, 16, 32)
    given: list[np.ndarray] = []
    task = Edges(CLASSES)
    monkeypatch.setattr(task, "detect", lambda pixels: given.append(pixels) or pixels[..., 0] > 0)
    for order in (image, image.to(memory_format=torch.channels_last)):
        task.target(LabelledImages.without_labels(order))
    expected = (255 * image).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(given[0], expected)
    np.testing.assert_array_equal(given[1], expected)


def test_the_loss_of_hand_worked_numbers() -> None:
    """½ (mean over edge pixels of log(1 + e^-x) + mean over the others of log(1 + e^x))."""
    prediction = torch.tensor([[2.0, -1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    value = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).view(1, 1, 2, 2)
    on = math.log(1 + math.exp(-2))
    off = (math.log(1 + math.exp(-1)) + math.log(2) + math.log(1 + math.exp(3))) / 3
    found = Edges(CLASSES).loss(prediction, value)
    torch.testing.assert_close(found, torch.tensor([0.5 * (on + off)]))


@pytest.mark.parametrize("count", [1, 5, 512, 1023])
def test_an_uninformed_prediction_costs_log_2_however_few_edges_there_are(count: int) -> None:
    value = (torch.arange(1024) < count).float().view(1, 1, 32, 32)
    found = Edges(CLASSES).loss(torch.zeros(1, 1, 32, 32), value)
    torch.testing.assert_close(found, torch.tensor([math.log(2)]))


@pytest.mark.parametrize("filling", [0.0, 1.0])
def test_an_uninformed_prediction_costs_log_2_also_without_edges(filling: float) -> None:
    value = torch.full((1, 1, 32, 32), filling)
    found = Edges(CLASSES).loss(torch.zeros(1, 1, 32, 32), value)
    torch.testing.assert_close(found, torch.tensor([math.log(2)]))


def test_an_image_without_edges_still_teaches_that_there_are_none() -> None:
    prediction = torch.zeros(1, 1, 8, 8, requires_grad=True)
    Edges(CLASSES).loss(prediction, torch.zeros(1, 1, 8, 8)).sum().backward()
    assert prediction.grad is not None
    assert bool((prediction.grad > 0).all())


# -- metrics --------------------------------------------------------------------------------------


def test_f1_is_pooled_over_batches(random_images: Images) -> None:
    task = Edges(CLASSES)
    target = task.target(random_images())
    target.value[0] = 0  # an image without edges, which has no F1 of its own
    logits = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(4))
    metrics = task.metrics()
    for cut in (slice(0, 1), slice(1, 4)):
        metrics.update(logits[cut], Target(target.value[cut], target.present[cut]))
    found, true = logits.numpy() > 0, target.value.numpy() == 1
    hits, wrong, missed = ((found & true).sum(), (found & ~true).sum(), (~found & true).sum())
    expected = 2 * hits / (2 * hits + wrong + missed)
    assert 0 < expected < 1
    assert metrics.compute() == {"f1": pytest.approx(float(expected), abs=1e-6)}


def test_where_there_is_no_edge_there_is_no_f1() -> None:
    task = Edges(CLASSES)
    target = Target(torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.bool))
    metrics = task.metrics()
    metrics.update(torch.full((2, 1, 8, 8), -1.0), target)
    assert metrics.compute() == {"f1": None}
    metrics.update(torch.full((2, 1, 8, 8), 1.0), target)
    assert metrics.compute() == {"f1": 0.0}


# -- what a user gets, and what is refused --------------------------------------------------------


def test_decoded_edges_have_the_photo_s_size() -> None:
    logits = torch.full((1, 16, 16), -1.0)
    logits[0, :, 8:] = 1.0
    decoded = Edges(CLASSES).decode(logits, size=(20, 40))
    assert (decoded.shape, decoded.dtype) == ((20, 40), np.bool_)
    assert bool(decoded[:, 22:].all())
    assert not bool(decoded[:, :18].any())


def test_the_picture_is_dark_exactly_on_edges() -> None:
    edges = Edges(CLASSES).label(Sample(square()))
    picture = Edges(CLASSES).picture(square(), edges)
    np.testing.assert_array_equal(picture.max(axis=2) < 128, edges)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"low": 200.0, "high": 100.0}, ("tasks.options.edges", "200", "100")),
        ({"low": -1.0}, ("tasks.options.edges", "low")),
        ({"low": float("nan")}, ("tasks.options.edges", "low")),
        ({"norm": "l3"}, ("tasks.options.edges.norm", "'l3'", "l2, l1")),
        ({"colour": "lab"}, ("tasks.options.edges.colour", "'lab'", "grey, rgb")),
    ],
)
def test_a_bad_option_is_named(options: dict[str, float | str], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        Edges(CLASSES, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
