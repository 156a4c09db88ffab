"""No change of the code moves a result, unless it says so."""

from __future__ import annotations

import pytest

from . import curves

#: Relative. Without vector instructions (``ATEN_CPU_CAPABILITY=default``) curves were seen to
#: differ by 4e-15 from those with AVX2.
TOLERANCE = 1e-9


@pytest.mark.parametrize("preset", curves.SYSTEMS)
def test_loss_curves_are_the_golden_ones(preset: str) -> None:
    found, golden = curves.train(preset), curves.read()[preset]
    assert found.keys() == golden.keys()
    for task, losses in golden.items():
        assert found[task] == pytest.approx(losses, rel=TOLERANCE), task


@pytest.mark.parametrize("name", curves.MODULES)
def test_clipping_and_schedule_are_the_golden_ones(name: str) -> None:
    """Recorded before the step was taken out of the Lightning module."""
    found, golden = curves.train_module(name), curves.read()[name]
    assert found.keys() == golden.keys()
    for task, losses in golden.items():
        assert found[task] == pytest.approx(losses, rel=TOLERANCE), task
