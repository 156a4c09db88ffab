"""Runs that many tests read: trained once, never written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import TINY, auxseg


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' cache folder, for fixtures that outlive a test (and its ``$AUXSEG_CACHE``)."""
    folder = tmp_path_factory.getbasetemp() / "auxseg-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of mtan-3task after two epochs on ``shapes``. Copy before writing to it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    auxseg("train", "mtan-3task", "--out", run, *TINY, "--epochs", "2").succeeded()
    return run
