"""A training step never asks a GPU for a number, so the processor runs ahead of it.

Nobody needs a GPU to see that: torch's fake tensors hold no numbers, and asking for one raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from auxseg import assembly
from auxseg.api import configure
from auxseg.training.module import MultiTaskModule
from auxseg.training.optimizer import make_optimizer
from auxseg.types import Batch, ClassNames, LabelledImages, Target

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


def move(batch: Batch, fake: FakeTensorMode) -> Batch:
    """The batch without its numbers; what the processor knows of it stays."""
    targets = {
        name: Target(fake.from_tensor(target.value), fake.from_tensor(target.present))
        for name, target in batch.targets.items()
    }
    views = {name: fake.from_tensor(view) for name, view in batch.views.items()}
    return replace(batch, views=views, targets=targets, index=fake.from_tensor(batch.index))


@pytest.mark.parametrize(
    ("preset", "balancer"),
    [
        *(("segnet-3task", balancer) for balancer in ("fixed", "equal", "uncertainty")),
        *((preset, "fixed") for preset in ("mtan-all", "cross-stitch-2task", "mtan-full-3task")),
        *((preset, "fixed") for preset in ("mtan-unet-3task", "progressive-2task")),
    ],
)
def test_a_step_waits_for_no_number(
    preset: str,
    balancer: str,
    random_images: Callable[..., LabelledImages],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = configure(preset, weights="none", width=0.05, balancer=balancer)
    tasks = assembly.make_tasks(config, CLASSES)
    prepare = assembly.Prepare(assembly.make_views(config, tasks), augment=None, seed=0)
    batch = prepare(random_images(missing=[1]))
    fake = FakeTensorMode(allow_non_fake_inputs=True)  # sums of the metrics start as real zeros
    with fake:
        model = assembly.assemble(config, tasks).train()
        balance = assembly.make_balancer(config, tasks)
    module = MultiTaskModule(model, tasks, balance, config.training, total_steps=100)
    with fake:
        optimizer = make_optimizer(model, balance, config.training)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        # What Lightning's trainer would give.
        trainer = SimpleNamespace(world_size=1, fit_loop=SimpleNamespace(total_batch_idx=0))
        monkeypatch.setattr(MultiTaskModule, "trainer", trainer)
        for name, value in (("optimizers", optimizer), ("lr_schedulers", schedule)):
            monkeypatch.setattr(module, name, lambda value=value: value)
        monkeypatch.setattr(module, "manual_backward", torch.Tensor.backward)
        moved = move(batch, fake)
        monkeypatch.setattr("auxseg.training.guard.LOOK_EVERY", 2)
        module.training_step(moved, 0)
        with pytest.raises(DataDependentOutputException):  # now it looks whether all is well
            module.training_step(moved, 1)
