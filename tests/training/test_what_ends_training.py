"""What ends a step on a machine is one line that says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException

from auxseg.api import configure
from auxseg.errors import TrainingError
from auxseg.training.failures import explained

CONFIG = configure("segnet-1task", weights="none").training


def line(error: Exception, checkpointing: str = "none") -> str:
    config = replace(CONFIG, checkpointing=checkpointing)
    with pytest.raises(TrainingError) as caught, explained(config):
        raise error
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_too_little_memory() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nSee ...")
    assert "Tried to allocate 2 GiB" in line(error)
    assert "--training.checkpointing full" in line(error)
    assert "checkpointing" not in line(error, "full")
    assert "--batch-size" in line(error, "full")


def test_what_cannot_be_compiled() -> None:
    def backend() -> None:
        """A backend of torch.compile."""

    inner = RuntimeError("\n no C++ compiler\nmore")
    assert "(no C++ compiler)" in line(BackendCompilerFailed(backend, inner, None))
    assert "--training.compile false" in line(TorchDynamoException("a graph break"))


def test_a_batch_that_batch_norm_cannot_use() -> None:
    """As torch itself says it: one image, and features of one place."""
    with (
        pytest.raises(TrainingError, match=r"a single image.*--batch-size, of 2 or more"),
        explained(CONFIG),
    ):
        torch.nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


def test_other_errors_are_not_touched() -> None:
    with pytest.raises(ValueError, match="a fault"), explained(CONFIG):
        raise ValueError("a fault")


def test_loader_processes_that_end() -> None:
    said = line(RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"))
    assert "--resume with --data.num_workers 0" in said
