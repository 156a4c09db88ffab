"""The golden loss curves: 20 seeded steps of a system of each kind, on a CPU.

Everything is in double precision, from the pixels and the first weights on: so even a small change
of the arithmetic shows, and a processor with other vector instructions, which rounds and draws
normal numbers another way in single precision, gives the same curves. The loop below is the
training step without Lightning. Where a change is meant to move results, they are written anew by

    OMP_NUM_THREADS=1 python -m tests.golden.curves
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import auxseg.api
from auxseg import assembly
from auxseg.balancing import Step
from auxseg.models.initialise import initialise
from auxseg.training.optimizer import make_optimizer

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


def train(preset: str) -> Curves:
    """Task name → its loss in each of the steps."""
    config = auxseg.api.configure(preset, **SETTINGS, **SYSTEMS[preset])
    dataset = assembly.open_dataset(config.data)
    config = assembly.resolve(config, dataset)
    tasks = assembly.make_tasks(config, dataset.classes)
    model = assembly.make_model(config, tasks).double()
    initialise(model, config.training.seed)
    balancer = assembly.make_balancer(config, tasks)
    optimizer = make_optimizer(model, balancer, config.training)
    loader = assembly.make_train_loader(config, assembly.open_data(config, dataset), tasks)
    prepare = loader.collate_fn
    loader.collate_fn = lambda images: prepare(replace(images, image=images.image.double()))
    curves: Curves = {name: [] for name in tasks}
    for number, batch in enumerate(islice(cycle(loader), STEPS)):
        torch.manual_seed(number)  # dropout
        predictions = model.forward_views(batch.views, batch.routes)
        losses = {
            name: tasks[name].loss(predictions[name], _double(target.value)).mean()
            for name, target in batch.targets.items()
        }
        optimizer.zero_grad()
        balancer.backward(
            Step(
                losses=losses,
                values={name: loss.detach() for name, loss in losses.items()},
                shared=model.shared_parameters(),
                specific=model.specific_parameters(),
                backward=Tensor.backward,
                average=lambda tensor: tensor,
            )
        )
        optimizer.step()
        for name, loss in losses.items():
            curves[name].append(loss.item())
    return curves


def _double(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def read() -> dict[str, Curves]:
    """Preset → its golden curves."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def main() -> None:
    curves = {preset: train(preset) for preset in SYSTEMS}
    FILE.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
