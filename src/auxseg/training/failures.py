"""What can end a training step on a machine, in one line that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException

from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError


@contextmanager
def explained(config: TrainingConfig) -> Iterator[None]:
    """Raises :class:`TrainingError` for too little memory, and where torch.compile gives up."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        less = "lower --batch-size, --image-size or --width, with another --out"
        if config.checkpointing != "full":
            less = f"--resume with --training.checkpointing full, or {less}"
        raise TrainingError(f"out of memory ({_first_line(error)}); {less}") from None
    except TorchDynamoException as error:
        cause = error.inner_exception if isinstance(error, BackendCompilerFailed) else error
        raise TrainingError(
            f"torch.compile cannot compile the network here ({_first_line(cause)}); --resume with "
            "--training.compile false"
        ) from None


def _first_line(error: BaseException) -> str:
    """The first line that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
