"""The losses of segmentation against NumPy: Dice, class weights, pixels without a label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames

CLASSES = ClassNames(("road", "car", "sign"), ())
SIZE = 12


def drawn() -> tuple[Tensor, Tensor]:
    """Logits, and masks that lack a class (the second) or most labels (the third)."""
    draw = torch.Generator().manual_seed(0)
    prediction = torch.randn(3, 3, SIZE, SIZE, generator=draw, dtype=torch.float64)
    value = torch.randint(0, 3, (3, SIZE, SIZE), generator=draw, dtype=torch.uint8)
    value[1][value[1] == 2] = 0
    value[2, 2:] = IGNORE_INDEX
    return prediction, value


def softmax(prediction: Tensor) -> np.ndarray:
    exponents = np.exp(prediction.numpy() - prediction.numpy().max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def cross_entropy(prediction: Tensor, value: Tensor, weights: np.ndarray) -> np.ndarray:
    """Σ w l / Σ w over each image's labelled pixels."""
    losses = []
    for found, truth in zip(softmax(prediction), value.numpy(), strict=True):
        rows, columns = np.nonzero(truth != IGNORE_INDEX)
        labels = truth[rows, columns]
        each = -np.log(found[labels, rows, columns])
        losses.append((weights[labels] * each).sum() / weights[labels].sum())
    return np.array(losses)


def dice(prediction: Tensor, value: Tensor) -> np.ndarray:
    losses = []
    for found, truth in zip(softmax(prediction), value.numpy(), strict=True):
        seen = truth != IGNORE_INDEX
        present = [number for number in range(3) if (truth[seen] == number).any()]
        coefficients = [
            2 * found[number][seen & (truth == number)].sum()
            / (found[number][seen].sum() + (truth[seen] == number).sum())
            for number in present
        ]  # fmt: skip
        losses.append(1 - np.mean(coefficients))
    return np.array(losses)


def test_ce_is_the_mean_over_labelled_pixels() -> None:
    prediction, value = drawn()
    expected = cross_entropy(prediction, value, np.ones(3))
    np.testing.assert_allclose(Segmentation(CLASSES).loss(prediction, value), expected)


def test_dice_is_added_over_the_classes_that_an_image_has() -> None:
    prediction, value = drawn()
    expected = cross_entropy(prediction, value, np.ones(3)) + dice(prediction, value)
    np.testing.assert_allclose(
        Segmentation(CLASSES, loss="ce+dice").loss(prediction, value), expected
    )


def test_a_perfect_prediction_costs_nothing() -> None:
    value = drawn()[1][:2]
    prediction = 50.0 * torch.nn.functional.one_hot(value.long(), 3).movedim(-1, 1).double()
    assert float(Segmentation(CLASSES, loss="ce+dice").loss(prediction, value).max()) < 1e-9


@pytest.mark.parametrize("loss", ["ce", "ce+dice"])
def test_without_a_label_it_is_finite_and_moves_nothing(loss: str) -> None:
    prediction = torch.randn(1, 3, SIZE, SIZE, requires_grad=True)
    value = torch.full((1, SIZE, SIZE), IGNORE_INDEX, dtype=torch.uint8)
    found = Segmentation(CLASSES, loss=loss, class_weights=[1, 2, 3]).loss(prediction, value)
    assert found.tolist() == [0]
    found.sum().backward()
    assert float(prediction.grad.abs().sum()) == 0  # type: ignore[union-attr]


def test_class_weights_as_given() -> None:
    prediction, value = drawn()
    task = Segmentation(CLASSES, class_weights=[0.5, 2.0, 7.0])
    expected = cross_entropy(prediction, value, np.array([0.5, 2.0, 7.0]))
    np.testing.assert_allclose(task.loss(prediction, value), expected, rtol=1e-6)


def test_balanced_every_class_weighs_the_same_in_sum() -> None:
    task = Segmentation(CLASSES, class_weights="balanced")
    assert task.counts_pixels
    pixels = np.array([900, 90, 10])
    task.see_pixels(pixels)
    weights = task.class_weights
    assert weights is not None
    np.testing.assert_allclose(weights.numpy() * pixels, [1000 / 3] * 3, rtol=1e-6)
    task.see_pixels(np.array([900, 100, 0]))
    assert bool(torch.isfinite(task.class_weights).all())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "dice"}, ("segmentation.loss", "'dice'", "ce+dice")),
        ({"class_weights": "even"}, ("class_weights", "'even'", "balanced")),
        ({"class_weights": [1.0, 2.0]}, ("class_weights", "3 numbers", "road, car, sign")),
        ({"class_weights": [1.0, 2.0, -1.0]}, ("class_weights", "at least 0")),
        ({"class_weights": [0.0, 0.0, 0.0]}, ("class_weights", "all 0")),
    ],
)
def test_wrong_options(options: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        Segmentation(CLASSES, **options)  # type: ignore[arg-type]
    assert all(word in str(caught.value) for word in words)
