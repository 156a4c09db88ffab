"""The memory of a training step, by a dry run: shapes and lifetimes are real, numbers are not.

The network takes a whole step with torch's fake tensors, which allocate nothing, while every
storage that comes to life or dies is counted. So the need of a system is known within seconds on a
machine that could never train it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from auxseg import assembly
from auxseg.balancing import BALANCERS
from auxseg.config import Config
from auxseg.tasks import Task, completed
from auxseg.training.step import training_step
from auxseg.types import Batch, ClassNames, LabelledImages, Target

#: AdamW's two averages of every parameter, which stay from step to step.
AVERAGES = 2


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all storages that operations make, while they live.

    Attributes:
        live: bytes alive now.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: int = 0
        self.peak: int = 0
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
    dtype = assembly.dtype_of(config)
    real = _batch(config, tasks)
    with FakeTensorMode() as fake, LiveBytes() as counter:
        model = assembly.assemble(config, tasks).train()
        assembly.freeze(model, config)
        model.checkpoint_activations(config.training.checkpointing)
        batch = _without_numbers(real, fake)
        for tensor in (*batch.views.values(), *(one.value for one in batch.targets.values())):
            counter.add(tensor)
        trained = sum(_bytes(one) for one in model.parameters() if one.requires_grad)
        # What gradient methods hold beside the tasks' gradients depends on their numbers.
        balancer = assembly.make_balancer(_without_gradient_method(config), tasks)
        counter.peak = counter.live
        # The CPU's autocast stands in for a GPU's: both compute convolutions in 16 bits.
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            training_step(model, tasks, balancer, batch, dropout_seed=0)
        peak: int = counter.peak
        averages = 0 if config.training.ema is None else sum(map(_bytes, model.parameters()))
        return peak + AVERAGES * trained + averages


def _batch(config: Config, tasks: Mapping[str, Task]) -> Batch:
    """A batch of black images: those with every label, and others where there are any."""
    size = config.data.image_size
    assert size is not None  # resolved, as in every run's file
    others = assembly.others_per_step(config) if assembly.expects_others(config) else 0
    count = config.training.batch_size + others
    bare = LabelledImages.without_labels(torch.zeros(count, 3, size, size))
    labelled = torch.arange(count) < config.training.batch_size
    images = replace(
        bare,
        mask=torch.zeros_like(bare.mask),
        has_mask=labelled,
        label=torch.where(labelled, 0, bare.label),
        box=torch.where(labelled[:, None], 0.5, bare.box),
    )
    views = assembly.make_views(config, tasks)
    batch = assembly.Prepare(views, augment=None, seed=0, training=True)(images)
    if batch.asked is None:
        return batch
    primary = next(iter(tasks.values())).head.channels
    answers = torch.zeros(len(batch.asked), primary, size, size)
    return replace(batch, targets=completed(tasks, batch.targets, answers), asked=None)


def _without_numbers(batch: Batch, fake: FakeTensorMode) -> Batch:
    """The batch in fake tensors; what the processor knows of it stays."""
    views: dict[str, Tensor] = {name: fake.from_tensor(view) for name, view in batch.views.items()}
    targets = {
        name: Target(fake.from_tensor(target.value), fake.from_tensor(target.present))
        for name, target in batch.targets.items()
    }
    return replace(batch, views=views, targets=targets, index=fake.from_tensor(batch.index))


def _without_gradient_method(config: Config) -> Config:
    if not BALANCERS[config.training.balancer].BY_GRADIENTS:
        return config
    return replace(config, training=replace(config.training, balancer="fixed", balancer_options={}))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
