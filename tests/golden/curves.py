"""The golden loss curves: 20 seeded steps of a system of each kind, on a CPU.

Everything is in double precision, from the pixels and the first weights on: so even a small change
of the arithmetic shows, and a processor with other vector instructions, which rounds and draws
normal numbers another way in single precision, gives the same curves. Where a change is meant to
move results, they are written anew by

    OMP_NUM_THREADS=1 python -m tests.golden.curves
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import auxseg.api
from auxseg import assembly
from auxseg.config import Config
from auxseg.models import MultiTaskModel
from auxseg.models.initialise import initialise
from auxseg.tasks import Task
from auxseg.training.determinism import deterministic
from auxseg.training.module import MultiTaskModule
from auxseg.training.optimizer import make_optimizer
from auxseg.training.step import training_step
from auxseg.types import Batch

FILE = Path(__file__).with_name("curves.json")
STEPS = 20

#: Every architecture, every view, weights that are learned and weights that are not.
SYSTEMS: dict[str, dict[str, Any]] = {
    "segnet-1task-scratch": {},
    "segnet-3task": {"balancer": "uncertainty"},
    "segnet-color": {"views": "per-task"},
    "mtan-3task": {},
    "mtan-canny": {},
    "mtan-noisy": {},
    "mtan-color": {},
    "mtan-all": {},
    "mtan-full-3task": {},
    "cross-stitch-3task": {},
}

#: The smallest training that has two epochs' worth of different batches.
SETTINGS: dict[str, Any] = {
    "data": "shapes",
    "data.options": {"train": 40, "val": 8, "test": 8},
    "image_size": 64,
    "width": 0.0625,
    "weights": "none",
    "batch_size": 4,
    "epochs": 2,
    "accelerator": "cpu",
    # Mirror images only: what is resampled in single precision may round another way elsewhere,
    # and one pixel of a mask that falls on the other side shows in the third digit.
    "augmentation.scale": (1.0, 1.0),
    **{
        f"augmentation.{name}": 0.0
        for name in ("rotation", "translation", "brightness", "contrast", "saturation", "hue")
    },
}

Curves = dict[str, list[float]]


#: Through the Lightning module, for what it adds to a step: preset, and its options.
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "clipping": ("segnet-3task", {"training.clip_norm": 0.5, "training.warmup": 0.0}),
    "schedule": ("mtan-no-class", {"training.warmup": 0.25}),
}

Curves = dict[str, list[float]]


def train(preset: str) -> Curves:
    """Task name → its loss in each of the steps, without Lightning and at a constant rate."""
    config, tasks, model, loader = _made(preset, SYSTEMS[preset])
    balancer = assembly.make_balancer(config, tasks)
    optimizer = make_optimizer(model, balancer, config.training)
    curves: Curves = {name: [] for name in tasks}
    for number, batch in enumerate(islice(cycle(loader), STEPS)):
        found = training_step(model, tasks, balancer, _complete(batch), dropout_seed=number)
        optimizer.step()
        for name, loss in found.values.items():
            curves[name].append(loss.item())
    return curves


@deterministic()
def train_module(name: str) -> Curves:
    """The same through the Lightning module, with its schedule and its clipping."""
    config, tasks, model, loader = _made(*MODULES[name])
    balancer = assembly.make_balancer(config, tasks)
    steps = len(loader) * config.training.epochs
    module = MultiTaskModule(model, tasks, balancer, config.training, steps)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=config.training.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        deterministic="warn",
    )
    trainer.fit(module, loader)
    rows = module.take_step_rows()
    return {task: [row[f"{task}/loss"] for row in rows] for task in tasks}


def _made(
    preset: str, options: dict[str, Any]
) -> tuple[Config, dict[str, Task], MultiTaskModel, DataLoader[Any]]:
    """Everything of a system in double precision."""
    config = auxseg.api.configure(preset, **{**SETTINGS, **options})
    dataset = assembly.open_dataset(config.data)
    config = assembly.resolve(config, dataset)
    tasks = assembly.make_tasks(config, dataset.classes)
    model = assembly.make_model(config, tasks).double()
    initialise(model, config.training.seed)
    loader = assembly.make_train_loader(config, assembly.open_data(config, dataset), tasks)
    prepare = loader.collate_fn
    loader.collate_fn = lambda images: _double(
        prepare(replace(images, image=images.image.double()))
    )
    return config, tasks, model, loader


def _complete(batch: Batch) -> Batch:
    """Every image counts as labelled, as when these curves were recorded: boxes that a drawing has
    not are zeros. (The curves through the Lightning module leave them out.)"""
    targets = {
        name: replace(target, present=torch.ones_like(target.present))
        for name, target in batch.targets.items()
    }
    return replace(batch, targets=targets, labelled=dict.fromkeys(targets, len(batch.index)))


def _double(batch: Batch) -> Batch:
    """The batch with targets in double precision."""
    targets = {
        name: replace(target, value=target.value.double())
        if target.value.is_floating_point()
        else target
        for name, target in batch.targets.items()
    }
    return replace(batch, targets=targets)


def read() -> dict[str, Curves]:
    """Preset, or name in :data:`MODULES` → its golden curves."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def main() -> None:
    curves = {preset: train(preset) for preset in SYSTEMS}
    curves |= {name: train_module(name) for name in MODULES}
    FILE.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
