"""What batch norms remember, and when they should not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def keeping_statistics(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Batch norms in training mode use the batch's statistics and keep none of them."""
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d) and m.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Not track_running_stats: what autograd saves would depend on it, and a pass that is
        # computed again (checkpointing) must save the same.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
