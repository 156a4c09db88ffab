"""What can end a training step on a machine, in one line that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException
from torch.distributed import DistError

from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError

#: What torch's errors say where loader processes could not go on.
_OF_LOADERS = ("DataLoader worker", "shared memory", "torch_shm_manager", "No space left on device")

#: And where another process that trains along has ended.
_OF_OTHERS = ("gloo/transport", "Connection closed by peer", "Connection reset by peer")


@contextmanager
def explained(config: TrainingConfig) -> Iterator[None]:
    """Raises :class:`TrainingError` for too little memory, and for processes that gave up."""
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
    except RuntimeError as error:
        if isinstance(error, DistError) or any(sign in str(error) for sign in _OF_OTHERS):
            raise TrainingError(
                f"another process of this training has ended ({_first_line(error)}); see what it "
                "said, and rerun all of them with --resume"
            ) from None
        if not any(sign in str(error) for sign in _OF_LOADERS):
            raise
        raise TrainingError(
            f"a loader process ended ({_first_line(error)}); there may be too little memory, or "
            "too little room in /dev/shm, through which batches pass: --resume with "
            "--data.num_workers 0, or give the container more (docker run --shm-size 1g)"
        ) from None


def _first_line(error: BaseException) -> str:
    """The first line that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
