"""A run that trains in seconds, for tests that need one and do not call the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import auxseg


@contextmanager
def tiny_run(tmp_path_factory: pytest.TempPathFactory, preset: str) -> Iterator[Path]:
    """The run directory of a preset after an epoch on ten drawings; the tests' cache is set."""
    out = tmp_path_factory.mktemp("tiny") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_CACHE", str(tmp_path_factory.getbasetemp() / "auxseg-cache"))
        auxseg.train(
            preset,
            out=out,
            epochs=1,
            image_size=32,
            width=0.05,
            weights="none",
            accelerator="cpu",
            **{"data.options": {"train": 10, "val": 4, "test": 4}},
        )
        yield out
