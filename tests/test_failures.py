"""What a machine ends a network's work with is one line, wherever that happens."""

from __future__ import annotations

import pytest
import torch

from auxseg.errors import DataError
from auxseg.failures import explained


def line(error: Exception, again: str = "") -> str:
    advice = {"memory": "do with less", "again": again}
    with pytest.raises(DataError) as caught, explained(DataError, **advice):
        raise error
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nSee ..."),
        MemoryError("Unable to allocate 3 TiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
)
def test_too_little_memory(error: Exception) -> None:
    said = line(error)
    assert str(error).splitlines()[0] in said
    assert said.endswith("; do with less")


def test_what_torch_says_of_too_much_memory_is_known() -> None:
    advice = {"memory": "do with less"}
    with pytest.raises(DataError, match="out of memory"), explained(DataError, **advice):
        torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize(
    "text",
    [
        "DataLoader worker (pid(s) 7) exited unexpectedly",
        "DataLoader worker (pid 7) is killed by signal: Bus error.",
        "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)",
    ],
)
def test_loader_processes_that_end(text: str) -> None:
    said = line(RuntimeError(text), again="--resume with")
    assert text in said
    assert "--resume with --data.num_workers 0" in said
    assert "/dev/shm" in said
    assert ": --data.num_workers 0" in line(RuntimeError(text))


def test_other_errors_are_not_touched() -> None:
    for error in (ValueError("a fault"), RuntimeError("a fault")):
        advice = {"memory": "do with less"}
        with pytest.raises(type(error), match="a fault"), explained(DataError, **advice):
            raise error
