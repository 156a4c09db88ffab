"""Probabilities are averaged, and come back as logits."""

from __future__ import annotations

import torch

from auxseg.tasks.averages import mean_sigmoid, mean_softmax


def test_softmax() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = [30 * torch.randn(2, 5, 3, 3, generator=draw) for _ in range(4)]
    expected = torch.stack([one.softmax(dim=1) for one in logits]).mean(dim=0)
    torch.testing.assert_close(mean_softmax(logits).softmax(dim=1), expected)


def test_sigmoid() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = [10 * torch.randn(2, 1, 3, 3, generator=draw) for _ in range(4)]
    expected = torch.stack([one.sigmoid() for one in logits]).mean(dim=0)
    torch.testing.assert_close(mean_sigmoid(logits).sigmoid(), expected)


def test_one_that_is_sure_outvotes_two_that_are_not() -> None:
    """A mean of logits would not say so."""
    logits = [torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 0.3]]), torch.tensor([[0.0, 0.3]])]
    assert mean_softmax(logits).argmax() == 0
    sure = [torch.tensor([[-2000.0, 0.0]]), torch.tensor([[0.0, -2000.0]])]
    assert bool(torch.isfinite(mean_softmax(sure)).all())
    assert bool(torch.isfinite(mean_sigmoid(sure)).all())
