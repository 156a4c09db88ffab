"""Balancers: hand numbers of the two simple ones, and what all of them promise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auxseg.balancing import BALANCERS, Balancer
from auxseg.balancing.equal import Equal
from auxseg.balancing.fixed import Fixed

WEIGHTS = {"segmentation": 0.7, "classification": 0.1, "bbox": 0.2}


def some_losses(*values: float) -> dict[str, Tensor]:
    names = list(WEIGHTS)[: len(values)]
    return {
        name: torch.tensor(value, requires_grad=True)
        for name, value in zip(names, values, strict=True)
    }


@pytest.fixture(params=list(BALANCERS))
def balancer(request: pytest.FixtureRequest) -> Balancer:
    return BALANCERS[request.param](WEIGHTS)


def test_a_finite_number_with_a_gradient_to_every_loss(balancer: Balancer) -> None:
    losses = some_losses(0.7, 2.0, 0.01)
    total = balancer(losses)
    assert total.shape == ()
    assert bool(torch.isfinite(total))
    total.backward()
    for name, loss in losses.items():
        assert loss.grad is not None, name
        assert float(loss.grad) > 0, name


def test_a_task_without_a_label_takes_no_part(balancer: Balancer) -> None:
    losses = some_losses(0.7, 2.0)
    total = balancer(losses)
    assert bool(torch.isfinite(total))
    total.backward()
    assert all(loss.grad is not None and float(loss.grad) > 0 for loss in losses.values())


def test_one_task_alone(balancer: Balancer) -> None:
    assert bool(torch.isfinite(balancer(some_losses(0.7))))


def test_the_losses_order_does_not_matter(balancer: Balancer) -> None:
    losses = some_losses(0.7, 2.0, 0.01)
    turned = dict(reversed(losses.items()))
    torch.testing.assert_close(balancer(turned), balancer(losses))


def test_state_round_trip(balancer: Balancer) -> None:
    losses = some_losses(0.7, 2.0, 0.01)
    for _ in range(3):
        balancer(losses)
    other = type(balancer)(WEIGHTS)
    other.load_state_dict(balancer.state_dict())
    torch.testing.assert_close(other(losses), balancer(losses))


def test_fixed_by_hand() -> None:
    balancer = Fixed(WEIGHTS)
    assert balancer(some_losses(1.0, 2.0, 3.0)).item() == pytest.approx(0.7 + 0.2 + 0.6)
    assert balancer(some_losses(1.0, 2.0)).item() == pytest.approx(0.7 + 0.2)


def test_equal_by_hand() -> None:
    """A third each, also where a task has no label: its neighbours do not gain by that."""
    balancer = Equal(WEIGHTS)
    assert balancer(some_losses(1.0, 2.0, 3.0)).item() == pytest.approx(2.0)
    assert balancer(some_losses(1.0, 2.0)).item() == pytest.approx(1.0)


def test_equal_ignores_the_weights() -> None:
    losses = some_losses(1.0, 2.0, 3.0)
    others = dict.fromkeys(WEIGHTS, 5.0)
    assert torch.equal(Equal(others)(losses), Equal(WEIGHTS)(losses))


def test_weight_zero_switches_a_task_off() -> None:
    losses = some_losses(1.0, 2.0, 3.0)
    total = Fixed(WEIGHTS | {"bbox": 0.0})(losses)
    total.backward()
    assert total.item() == pytest.approx(0.9)
    assert losses["bbox"].grad is not None
    assert float(losses["bbox"].grad) == 0
