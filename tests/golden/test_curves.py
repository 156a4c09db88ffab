"""No change of the code moves a result, unless it says so."""

from __future__ import annotations

import pytest

from . import curves

#: Relative. One thread against two, which add in another order, was seen to differ by 3e-13.
TOLERANCE = 1e-8


@pytest.mark.parametrize("preset", curves.SYSTEMS)
def test_loss_curves_are_the_golden_ones(preset: str) -> None:
    found, golden = curves.train(preset), curves.read()[preset]
    assert found.keys() == golden.keys()
    for task, losses in golden.items():
        assert found[task] == pytest.approx(losses, rel=TOLERANCE), task
