"""The same seed gives the same weights: torch's deterministic algorithms, for as long as needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic as switches


@contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms where there are any; others find torch's switches as before.

    Pooling and unpooling have none on a GPU, and repeat all the same: torch's warning of them is
    silenced from now on, that of other operations is not.
    """
    # The products of NVIDIA's library repeat only with work space of a fixed size; Lightning sets
    # the same in training.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Cells of the built-in encoders' pooling do not overlap: nothing is added up in any order.
    warnings.filterwarnings("ignore", message="max_(un)?pool.* deterministic implementation")
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = switches.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    # That would also write NaN into all memory that is yet to be filled: a check for programs that
    # read it before, and work for nothing where none does.
    switches.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        switches.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
