"""What can end a training step on a machine, in one line that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException
from torch.distributed import DistError

from auxseg import failures
from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError, first_line

#: What torch's errors say where another process that trains along has ended.
_OF_OTHERS = ("gloo/transport", "Connection closed by peer", "Connection reset by peer")

#: What they say of a batch whose features have neither a second image nor a second place.
_OF_BATCH_NORM = "Expected more than 1 value per channel when training"


@contextmanager
def explained(config: TrainingConfig) -> Iterator[None]:
    """Raises :class:`TrainingError` for too little memory, processes that gave up, tiny batches."""
    less = "lower --batch-size, --image-size or --width, with another --out"
    if config.checkpointing != "full":
        less = f"--resume with --training.checkpointing full, or {less}"
    try:
        with failures.explained(TrainingError, memory=less, again="--resume with"):
            yield
    except TorchDynamoException as error:
        cause = error.inner_exception if isinstance(error, BackendCompilerFailed) else error
        raise TrainingError(
            f"torch.compile cannot compile the network here ({first_line(cause)}); --resume with "
            "--training.compile false"
        ) from None
    except ValueError as error:
        if _OF_BATCH_NORM not in str(error):
            raise
        raise TrainingError(
            "a step had a single image, which is too little for batch norm at this size; take "
            "another --batch-size, of 2 or more, that leaves no image over, more images, or a "
            "larger --image-size, with another --out"
        ) from None
    except RuntimeError as error:
        if not isinstance(error, DistError) and not any(sign in str(error) for sign in _OF_OTHERS):
            raise
        raise TrainingError(
            f"another process of this training has ended ({first_line(error)}); see what it "
            "said, and rerun all of them with --resume"
        ) from None
