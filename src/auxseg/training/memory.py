"""The memory of a training step, by a dry run: shapes and lifetimes are real, numbers are not.

The network takes a whole step with torch's fake tensors, which allocate nothing, while every
storage that comes to life or dies is counted. So the need of a system is known within seconds on a
machine that could never train it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from auxseg import assembly
from auxseg.config import Config
from auxseg.types import ClassNames

#: AdamW's two averages of every parameter, which stay from step to step.
AVERAGES = 2


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that operations make, while they live.

    Attributes:
        live: bytes alive now.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def add(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, unless it is known."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known.add(storage)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        results = function(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                self.add(result)
        return results


def training_memory(config: Config, classes: ClassNames) -> int:
    """Bytes that a training step on a GPU holds at its peak.

    Weights, gradients, AdamW's averages, and all that the forward and the backward pass hold, in
    the configuration's precision and with its activation checkpointing. On top of it comes what
    the libraries take for themselves: work space of the convolutions, and the context of the GPU,
    which ``max_memory_allocated`` does not count either.
    """
    tasks = assembly.make_tasks(config, classes)
    size = config.data.image_size
    assert size is not None  # resolved, as in every run's file
    images = config.training.batch_size + assembly.unlabelled_per_step(config)
    views, dtype = assembly.make_views(config, tasks), assembly.dtype_of(config)
    with FakeTensorMode(), LiveBytes() as counter:
        model = assembly.assemble(config, tasks).train()
        model.checkpoint_activations(config.training.checkpointing)
        inputs = {view: torch.zeros(images, views.channels, size, size) for view in views.routes}
        weights = sum(_bytes(parameter) for parameter in model.parameters())
        counter.peak = counter.live
        # The CPU's autocast stands in for a GPU's: both compute convolutions in 16 bits.
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            outputs = model.forward_views(inputs, views.routes)
            loss = _loss(outputs)
        del outputs
        loss.backward()
        return counter.peak + AVERAGES * weights


def _loss(outputs: Mapping[str, Tensor]) -> Tensor:
    """A number that every output reaches; as large in memory as the tasks' own losses."""
    return torch.stack([output.float().square().mean() for output in outputs.values()]).sum()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
