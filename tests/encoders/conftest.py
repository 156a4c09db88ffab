"""timm for these tests: with the real torchvision, else with the one that stands in for it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

# First: torchmetrics uses torchvision where it finds one, and more of it than stands in for it.
import auxseg.api  # noqa: F401

#: Doctests are collected by importing: never this, which would pass for the real torchvision.
collect_ignore = ["stand_in"]

STAND_IN = Path(__file__).with_name("stand_in")


def imported() -> str | None:
    """Imports timm; says why where that does not work."""
    reason = None
    for folders in ([], [str(STAND_IN)]):
        path, sys.path[:] = sys.path[:], [*folders, *sys.path]
        try:
            importlib.import_module("timm")
        except Exception as error:  # a torchvision of another torch raises anything
            reason = f"timm does not import ({error}); `make test-encoders` installs it"
            for name in [*sys.modules]:
                if name.partition(".")[0] in ("timm", "torchvision"):
                    del sys.modules[name]
        else:
            return None
        finally:
            sys.path[:] = path
    return reason


#: Before the tests are collected: they import timm themselves.
MISSING = imported()


@pytest.fixture(scope="session", autouse=True)
def _timm() -> None:
    if MISSING is not None:
        pytest.skip(MISSING)
