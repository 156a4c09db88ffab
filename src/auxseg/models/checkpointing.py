"""Activation checkpointing: memory for arithmetic (Chen et al. 2016, arXiv 1604.06174).

What the forward pass keeps for the backward pass is most of what training needs of memory. A
*region* is a part of the network that keeps less: what is missing is computed once more, in the
backward pass, when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from auxseg.models.norms import keeping_statistics

#: ``none`` keeps everything. ``selective`` keeps what convolutions give, which is where the
#: arithmetic is, and computes norms, activations and products anew. ``full`` keeps the inputs of
#: regions alone: about a third more arithmetic.
MODES = ("none", "selective", "full")

_KEPT = {torch.ops.aten.convolution.default}


def region(
    mode: str, modules: Iterable[nn.Module], function: Callable[..., Any], *inputs: Any
) -> Any:
    """``function(*inputs)``, checkpointed.

    Results and gradients are those of the plain call. There is no randomness inside (dropout), and
    running statistics are updated once: by the first computation, not by the second.

    Args:
        mode: one of :data:`MODES`.
        modules: those that hold the batch norms of the region.
    """
    if mode == "none" or not torch.is_grad_enabled():
        return function(*inputs)
    return checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        **_traced(mode) if torch.compiler.is_compiling() else _eager(mode, modules),
    )


def _traced(mode: str) -> dict[str, Any]:
    """What torch.compile can read. It repeats no writing to running statistics, nor any cast."""
    if mode == "full":
        return {}
    return {"context_fn": partial(create_selective_checkpoint_contexts, _policy)}


def _eager(mode: str, modules: Iterable[nn.Module]) -> dict[str, Any]:
    return {"context_fn": partial(_contexts, mode, list(modules))}


def _contexts(
    mode: str, modules: list[nn.Module]
) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """What surrounds the first computation and the second."""
    first: AbstractContextManager[Any] = nullcontext()
    second: AbstractContextManager[Any] = nullcontext()
    if mode == "selective":
        first, second = create_selective_checkpoint_contexts(_policy)  # type: ignore[no-untyped-call]
    return _uncached(first), _again(modules, _uncached(second))


def _policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    kept = operation in _KEPT
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


@contextmanager
def _uncached(inner: AbstractContextManager[Any]) -> Iterator[None]:
    """Autocast without its cache: both computations must round the same weights anew."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        with inner:
            yield
    finally:
        torch.set_autocast_cache_enabled(before)


@contextmanager
def _again(modules: list[nn.Module], inner: AbstractContextManager[Any]) -> Iterator[None]:
    """A second forward pass, which leaves running statistics alone."""
    everything = (module for parent in modules for module in parent.modules())
    with keeping_statistics(everything), inner:
        yield
