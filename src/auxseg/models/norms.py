"""What batch norms remember, and when they should not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def keeping_statistics(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Batch norms in training mode use the batch's statistics and keep none of them."""
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d) and m.training]
    before = [(norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # They write into copies. Not track_running_stats: what autograd saves would depend on it,
        # and a pass that is computed again (checkpointing) must save the same. Not momentum 0:
        # an activation that overflowed would leave 0 · inf in the statistics for good.
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean, norm.running_var = norm.running_mean.clone(), norm.running_var.clone()
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (mean, variance, count) in zip(norms, before, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, variance, count
