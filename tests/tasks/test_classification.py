"""Classification against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from auxseg.errors import DataError
from auxseg.tasks.classification import Classification, ImageClass
from auxseg.types import ClassNames, LabelledImages, Sample, Target

THREE = ClassNames((), ("cat", "dog", "horse"))


def test_head_has_a_channel_per_class() -> None:
    head = Classification(THREE).head
    assert (head.kind, head.channels) == ("global", 3)


def test_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, 0.0, 0.0]])
    losses = Classification(THREE).loss(logits, torch.tensor([0, 2]))
    assert losses.tolist() == pytest.approx([math.log(2), math.log(3)])


def test_missing_labels_are_not_present(random_images: Callable[..., LabelledImages]) -> None:
    target = Classification(THREE).target(random_images(missing=(0, 3)))
    assert target.present.tolist() == [False, True, True, False]
    assert target.value[1:3].tolist() == [1, 0]
    assert int(target.value.min()) >= 0


def test_accuracy_is_the_share_of_labelled_images_that_are_right() -> None:
    metrics = Classification(THREE).metrics()
    logits = torch.eye(3)[[0, 1, 2, 0]]
    present = torch.tensor([True, True, True, False])
    metrics.update(logits, Target(torch.tensor([0, 1, 1, 0]), present))
    assert metrics.compute() == {"accuracy": pytest.approx(2 / 3)}


def test_accuracy_weighs_images_not_batches() -> None:
    metrics = Classification(THREE).metrics()
    for right, count in ((True, 3), (False, 1)):
        value = torch.zeros(count, dtype=torch.long)
        logits = torch.eye(3)[[0 if right else 1] * count]
        metrics.update(logits, Target(value, torch.ones(count, dtype=torch.bool)))
    assert metrics.compute() == {"accuracy": pytest.approx(3 / 4)}


def test_decode_names_the_class_and_its_probability() -> None:
    decoded = Classification(THREE).decode(torch.tensor([0.0, math.log(6), 0.0]), size=(4, 4))
    assert decoded.name == "dog"
    assert decoded.probability == pytest.approx(6 / 8)


def test_truth_of_a_sample() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    assert Classification(THREE).label(Sample(image)) is None
    truth = Classification(THREE).label(Sample(image, label=2))
    assert truth is not None
    assert truth.name == "horse"


@pytest.mark.parametrize("size", [(40, 60), (200, 90), (600, 800)])
def test_picture_writes_into_the_top_left_corner_only(size: tuple[int, int]) -> None:
    photo = np.full((*size, 3), 90, dtype=np.uint8)
    picture = Classification(THREE).picture(photo, ImageClass("horse", 0.5))
    rows, columns = np.nonzero((picture != photo).any(axis=2))
    assert (rows.min(), columns.min()) == (0, 0)
    assert rows.max() < size[0] / 3
    assert columns.max() < size[1]
    assert picture.min() < 90 < picture.max()


@pytest.mark.parametrize("names", [(), ("cat",)])
def test_needs_two_classes(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=f"at least two.*{len(names)}"):
        Classification(ClassNames((), names))
