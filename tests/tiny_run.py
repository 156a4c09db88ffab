"""A run that trains in seconds, for tests that need one and do not call the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import auxseg
from auxseg.runs.directory import RunDirectory


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


def with_both_classes(out: Path, photo: np.ndarray) -> Path:
    """Changes a run's weights so that its mask of a photo has both classes, about half and half:
    after so short a training it has one, and masks of one class agree whatever is wrong."""
    run = RunDirectory(out)
    state = run.read_best()
    draw = torch.Generator().manual_seed(0)
    weight, bias = (f"heads.segmentation.{name}" for name in ("weight", "bias"))
    state[weight] = torch.randn(state[weight].shape, generator=draw)
    state[bias] = torch.zeros(2)
    run.write_best(state, *run.best_metrics())
    first, second = auxseg.load(out, "cpu").predict(photo, probabilities=True).probabilities or ()
    state[bias][0] = float(np.median(np.log(second / first)))
    run.write_best(state, *run.best_metrics())
    return out
