"""What a machine can end a network's work with, in one line that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from auxseg.errors import AuxsegError, first_line

#: What torch's errors say where the memory of a CPU does not suffice: they are RuntimeErrors.
_OF_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
)

#: What they say where loader processes could not go on.
_OF_LOADERS = ("DataLoader worker", "shared memory", "torch_shm_manager", "No space left on device")


@contextmanager
def explained(kind: type[AuxsegError], *, memory: str, again: str = "") -> Iterator[None]:
    """Raises an error of one line for too little memory, and for loader processes that gave up.

    Args:
        kind: the error.
        memory: what to do about too little memory.
        again: the option with which a verb goes on, such as ``--resume with``.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise kind(f"out of memory ({first_line(error)}); {memory}") from None
    except RuntimeError as error:
        if any(sign in str(error) for sign in _OF_MEMORY):
            raise kind(f"out of memory ({first_line(error)}); {memory}") from None
        if not any(sign in str(error) for sign in _OF_LOADERS):
            raise
        option = f"{again} --data.num_workers 0".strip()
        raise kind(
            f"a loader process ended ({first_line(error)}); there may be too little memory, or "
            f"too little room in /dev/shm, through which batches pass: {option}, or give the "
            "container more (docker run --shm-size 1g)"
        ) from None
