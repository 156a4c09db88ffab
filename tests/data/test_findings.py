"""What is found of one image, and which masks stand out."""

from __future__ import annotations

import numpy as np
import pytest

from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.findings import Finding, _layout, _smallest, look_at_all, unlike


def test_the_smallest_thing_of_any_class() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[2:6, 3:9] = 1
    mask[10:12, 20:23] = 2
    mask[15, 0] = 255  # not labelled: no thing
    thing = _smallest(mask)
    assert thing is not None
    assert (thing.number, thing.pixels, thing.box) == (2, 6, (20, 10, 3, 2))
    assert _smallest(np.zeros((4, 4), np.uint8)) is None


def test_the_layout_holds_each_class_s_share() -> None:
    mask = np.zeros((64, 32), np.uint8)
    mask[:32] = 1
    layout = _layout(mask, 3)
    assert layout.shape == (8, 8, 3)
    np.testing.assert_allclose(layout[:4, :, 1], 1)
    np.testing.assert_allclose(layout.sum(axis=2), 1)


def test_an_inverted_mask_stands_out() -> None:
    dataset = Shapes(train=30, val=1, test=1)
    findings = look_at_all(dataset, details=True)
    assert all(one.size == (256, 256) and one.pixels is not None for one in findings)
    wrong = dataset.read(7).mask
    assert wrong is not None
    findings[7] = Finding(layout=_layout(1 - wrong, len(dataset.mask_classes)))
    apart = unlike(findings)
    assert max(apart, key=apart.__getitem__) == 7
    assert apart[7] > 1.3 * sorted(apart.values())[-2]


def test_half_of_the_pixels_would_have_to_change() -> None:
    left, right = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8)
    left[:, :8] = 1
    right[:, 8:] = 1
    apart = unlike([Finding(layout=_layout(one, 2)) for one in (left, right)])
    assert apart == pytest.approx({0: 0.5, 1: 0.5})
    assert unlike([Finding()]) == {}
