"""Segmentation against plain NumPy, torchmetrics and numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex

from auxseg.errors import DataError
from auxseg.tasks import enlarge
from auxseg.tasks.base import MetricValue
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames, LabelledImages, Sample, Target

FOUR = ClassNames(("background", "a", "b", "c"), ())
TWO = ClassNames(("background", "animal"), ())


def random_case(seed: int, occurring: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (3, 4, 8, 8) and a mask with a fifth ignored, in which the last classes may lack."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 8, 8, generator=draw)
    logits[:, occurring:] = -100.0
    mask = torch.randint(0, occurring, (3, 8, 8), generator=draw)
    mask[torch.rand(3, 8, 8, generator=draw) < 0.2] = IGNORE_INDEX
    return logits, mask


def measured(logits: torch.Tensor, mask: torch.Tensor) -> dict[str, MetricValue]:
    metrics = Segmentation(FOUR).metrics()
    metrics.update(logits, Target(mask, torch.ones(len(mask), dtype=torch.bool)))
    return metrics.compute()


def by_counting(logits: torch.Tensor, mask: torch.Tensor) -> dict[str, MetricValue]:
    """The same from sets of pixels, class by class."""
    predicted, actual = logits.argmax(dim=1).numpy().ravel(), mask.numpy().ravel()
    predicted, actual = predicted[actual != IGNORE_INDEX], actual[actual != IGNORE_INDEX]
    ious: list[float | None] = []
    f1s, weights = [], []
    for number in range(4):
        p, a = predicted == number, actual == number
        if not (p | a).any():
            ious.append(None)
            continue
        ious.append(float((p & a).sum() / (p | a).sum()))
        f1s.append(2 * (p & a).sum() / (p.sum() + a.sum()))
        weights.append(a.sum())
    known = [value for value in ious if value is not None]
    return {
        "iou": float(np.mean(known)),
        "weighted_iou": float(np.average(known, weights=weights)),
        "f1": float(np.mean(f1s)),
        "pixel_accuracy": float((predicted == actual).mean()),
        "iou_per_class": ious,
    }


def test_masks_of_eight_bits_count_as_wide_ones() -> None:
    """Also where the number of a pair of classes is beyond eight bits."""
    task = Segmentation(ClassNames(tuple(map(str, range(20))), ()))
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 20, 16, 16, generator=draw)
    wide = torch.randint(0, 20, (2, 16, 16), generator=draw)
    wide[:, :4] = IGNORE_INDEX
    narrow = wide.to(torch.uint8)
    torch.testing.assert_close(task.loss(logits, narrow), task.loss(logits, wide), rtol=0, atol=0)
    assert torch.equal(task.counts(logits, narrow), task.counts(logits, wide))
    of_narrow, of_wide = task.metrics(), task.metrics()
    of_narrow.update(logits, Target(narrow, torch.ones(2, dtype=torch.bool)))
    of_wide.update(logits, Target(wide, torch.ones(2, dtype=torch.bool)))
    assert of_narrow.compute() == of_wide.compute()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), occurring=st.integers(1, 4), cut=st.integers(0, 3))
def test_metrics_equal_counting(seed: int, occurring: int, cut: int) -> None:
    """However the images are cut into batches."""
    logits, mask = random_case(seed, occurring)
    metrics = Segmentation(FOUR).metrics()
    for part in (slice(cut, None), slice(0, cut)):
        present = torch.ones(len(mask[part]), dtype=torch.bool)
        metrics.update(logits[part], Target(mask[part], present))
    ours, theirs = metrics.compute(), by_counting(logits, mask)
    per_class, expected = ours.pop("iou_per_class"), theirs.pop("iou_per_class")
    assert ours == pytest.approx(theirs)
    assert isinstance(per_class, list)
    assert isinstance(expected, list)
    assert per_class == pytest.approx(expected)
    assert per_class[occurring:] == [None] * (4 - occurring)


def test_a_class_that_is_only_predicted_counts_with_zero() -> None:
    mask = torch.zeros(1, 2, 2, dtype=torch.long)
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, 0] = 1.0
    logits[0, 2, 0, 0] = 2.0
    metrics = measured(logits, mask)
    assert metrics["iou_per_class"] == [0.75, None, 0.0, None]
    assert metrics["iou"] == pytest.approx(0.375)
    assert metrics["weighted_iou"] == pytest.approx(0.75)
    assert metrics["f1"] == pytest.approx((6 / 7 + 0) / 2)


def test_metrics_equal_torchmetrics_where_every_class_occurs() -> None:
    logits, mask = random_case(7, occurring=4)
    settings: dict[str, Any] = {"num_classes": 4, "ignore_index": IGNORE_INDEX}
    jaccard = {
        name: MulticlassJaccardIndex(average=name, **settings)(logits, mask)
        for name in ("macro", "weighted", "none")
    }
    f1 = MulticlassF1Score(average="macro", **settings)(logits, mask)
    ours = measured(logits, mask)
    assert ours["iou"] == pytest.approx(float(jaccard["macro"]))
    assert ours["weighted_iou"] == pytest.approx(float(jaccard["weighted"]))
    assert ours["iou_per_class"] == pytest.approx(jaccard["none"].tolist())
    assert ours["f1"] == pytest.approx(float(f1))


def test_pixels_are_pooled_over_images_not_averaged() -> None:
    """One image of 4 right pixels, one with a single labelled pixel, which is wrong."""
    mask = torch.zeros(2, 2, 2, dtype=torch.long)
    mask[1] = IGNORE_INDEX
    mask[1, 0, 0] = 1
    logits = torch.zeros(2, 4, 2, 2)
    logits[:, 0] = 1.0
    assert measured(logits, mask)["pixel_accuracy"] == pytest.approx(4 / 5)


def test_loss_is_the_mean_over_the_labelled_pixels() -> None:
    logits = torch.zeros(2, 2, 1, 3)
    logits[:, 1, 0, 0] = math.log(3)  # probabilities 1/4 and 3/4, elsewhere 1/2 and 1/2
    value = torch.tensor([[[1, 0, IGNORE_INDEX]], [[0, IGNORE_INDEX, IGNORE_INDEX]]])
    losses = Segmentation(TWO).loss(logits, value)
    by_hand = [(math.log(4 / 3) + math.log(2)) / 2, math.log(4)]
    assert losses.tolist() == pytest.approx(by_hand)


def test_loss_of_a_wholly_ignored_mask_is_zero() -> None:
    value = torch.full((1, 4, 4), IGNORE_INDEX)
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = Segmentation(TWO).loss(logits, value)
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert logits.grad is not None
    assert not logits.grad.any()


def test_images_without_a_visible_mask_are_unlabelled(
    random_images: Callable[..., LabelledImages],
) -> None:
    """Image 1 has no mask, the mask of image 2 may not be seen, that of 3 is ignored everywhere."""
    images = random_images(missing=(1,))
    images.mask[3] = IGNORE_INDEX
    hidden = replace(images, has_mask=torch.tensor([True, False, False, True]))
    assert Segmentation(TWO).target(hidden).present.tolist() == [True, False, False, False]


def test_decode_enlarges_to_the_photo() -> None:
    logits = torch.zeros(2, 32, 32)
    logits[1, :, 16:] = 5.0
    logits[0, :, :16] = 5.0
    mask = Segmentation(TWO).decode(logits, size=(100, 60))
    assert mask.shape == (100, 60)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask[:, :30], 0)
    np.testing.assert_array_equal(mask[:, 30:], 1)


@pytest.mark.parametrize("strip", [1, 5000, 4_000_000])
@pytest.mark.parametrize("size", [(31, 47), (96, 96), (401, 150), (20, 300), (7, 9)])
def test_decoding_in_strips_is_decoding_at_once(
    size: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enlarge, "_STRIP", strip)
    logits = torch.randn(5, 32, 24)
    whole = torch.nn.functional.interpolate(
        logits[None].double(), size, mode="bilinear", align_corners=False
    )[0]
    found = enlarge.largest_enlarged(logits, size)
    assert found.dtype == torch.uint8
    chosen = whole.gather(0, found.long()[None])[0]
    # Where two classes are equal up to rounding, either may win.
    torch.testing.assert_close(chosen, whole.amax(dim=0), rtol=0, atol=1e-5)
    assert (found == whole.argmax(dim=0)).float().mean() > 0.999


def test_decode_at_the_logits_size_is_their_argmax() -> None:
    logits = torch.randn(4, 9, 7)
    mask = Segmentation(FOUR).decode(logits, size=(9, 7))
    np.testing.assert_array_equal(mask, logits.argmax(dim=0).numpy())


def test_picture_leaves_background_as_it_is() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:20, 10:20] = 1
    picture = Segmentation(TWO).picture(photo, mask)
    changed = (picture != photo).any(axis=2)
    assert changed[10:20, 10:20].mean() > 0.99
    changed[10:20, 10:20] = False
    assert not changed.any()


@pytest.mark.parametrize("names", [(), ("background",)])
def test_needs_two_classes(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="at least two"):
        Segmentation(ClassNames(names, ()))


def test_the_error_says_how_many_classes_there_are() -> None:
    with pytest.raises(DataError, match=r"has (one|1)"):
        Segmentation(ClassNames(("background",), ()))


def test_truth_of_a_sample() -> None:
    image, mask = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8)
    assert Segmentation(TWO).label(Sample(image)) is None
    np.testing.assert_array_equal(Segmentation(TWO).label(Sample(image, mask)), mask)
