"""Training steps of one process among several; a program that ``test_ddp_gradients.py`` starts.

Every process sees its own part of one batch, in which labels lie unevenly.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader

from auxseg import assembly
from auxseg.api import configure
from auxseg.balancing import BALANCERS
from auxseg.config import Config
from auxseg.training.module import MultiTaskModule
from auxseg.training.teacher import Teacher
from auxseg.types import IGNORE_INDEX, NO_LABEL, Batch, ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))

#: Which of eight images have which label, and which of them each of two processes gets.
MASKS = (1, 1, 1, 0, 1, 1, 1, 1)
LABELS = (1, 0, 1, 1, 0, 0, 0, 0)  # the second process has none
BOXES = (0, 1, 0, 0, 1, 1, 0, 1)
#: Those without a mask where photos without one teach something.
BARE = (2, 3, 6)
EVERY, PARTS = range(8), (range(4), range(4, 8))
#: Learned scalars of the balancers that have them, at the start.
S = {"segmentation": 0.4, "classification": 0.1, "bbox": -0.2, "consistency": 0.3}


@dataclass(frozen=True)
class Case:
    """One training of segmentation, class and box.

    Attributes:
        frozen: batch norms keep their statistics and there is no dropout, so that the parts of a
            batch together are the same as the whole.
        unlabelled: a task of which no process has a label.
        teacher: ``ema``: the weights' average is kept along; ``consistency``: and teaches what
            photos without a mask are.
    """

    architecture: str
    balancer: str
    encoder: str = "vgg16"
    teacher: str | None = None
    steps: int = 1
    frozen: bool = True
    unlabelled: str | None = None

    @property
    def config(self) -> Config:
        options: dict[str, Any] = {"architecture": self.architecture, "encoder": self.encoder}
        if self.teacher is not None:
            options["ema"] = 0.9
        if self.teacher == "consistency":
            # Without pieces of other photos: which there are depends on who shares a batch.
            options |= {
                "names": ("segmentation", "classification", "bbox", "consistency"),
                "views": "per-task",
                "tasks.options": {"consistency": {"cutmix": 0.0, "threshold": 0.5}},
            }
        return configure(
            "segnet-3task", width=0.0625, weights="none", balancer=self.balancer, **options
        )


_BALANCERS = ("fixed", "uncertainty", "geometric", "famo", "pcgrad", "mgda", "upgrad")
_LITE0 = "efficientnet-lite0"
#: Architectures, encoders, kinds of balancer and teachers: every two of them meet somewhere here.
PAIRS = [
    Case("hard-sharing", "fixed", _LITE0, "consistency"),
    Case("hard-sharing", "uncertainty", "vgg16", "ema"),
    Case("hard-sharing", "famo", _LITE0),
    Case("hard-sharing", "pcgrad", "vgg16", "consistency"),
    Case("mtan", "fixed", "vgg16", "consistency"),
    Case("mtan", "uncertainty", _LITE0),
    Case("mtan", "famo", "vgg16", "ema"),
    Case("mtan", "pcgrad", _LITE0, "ema"),
    Case("cross-stitch", "fixed", _LITE0, "ema"),
    Case("cross-stitch", "uncertainty", _LITE0, "consistency"),
    Case("cross-stitch", "famo", "vgg16", "consistency"),
    Case("cross-stitch", "pcgrad", _LITE0),
    Case("progressive", "fixed", "vgg16"),
    Case("progressive", "uncertainty", "vgg16", "ema"),
    Case("progressive", "famo", _LITE0, "consistency"),
    Case("progressive", "pcgrad", _LITE0),
]
#: A step whose gradients must be those of one process, with the same learned weights.
EXACT = [
    *(Case(name, balancer) for name in ("mtan", "cross-stitch") for balancer in _BALANCERS),
    *(Case("mtan", balancer, unlabelled="bbox") for balancer in ("fixed", "pcgrad")),
    *PAIRS,
]
#: Steps after which weights and average must be where those of one process are.
AVERAGED = [
    Case("hard-sharing", "fixed", _LITE0, "consistency", steps=4),
    Case("mtan", "pcgrad", "vgg16", "ema", steps=4),
]
#: Ordinary steps, after which the processes must hold the same weights.
DRIFT = [
    *(Case("mtan", balancer, steps=3, frozen=False) for balancer in BALANCERS),
    Case("hard-sharing", "fixed", _LITE0, "consistency", steps=3, frozen=False),
]
CASES = (*EXACT, *AVERAGED, *DRIFT)


@dataclass(frozen=True)
class Outcome:
    """What a training left behind.

    Attributes:
        gradients: parameter name → what the optimiser got in the first step, None for nothing.
        before, after: all parameters, the balancer's among them.
        balancer: its whole state after the last step.
        teacher: the parameters of the weights' average after the last step; empty without one.
        rows: the numbers of each step.
    """

    gradients: dict[str, Tensor | None]
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    balancer: dict[str, Tensor]
    teacher: dict[str, Tensor]
    rows: list[dict[str, float]]


def labelled_images(case: Case) -> LabelledImages:
    """The batch of all processes together."""
    draw = torch.Generator().manual_seed(5)
    count, size = len(MASKS), 32
    corner = 0.4 * torch.rand(count, 2, generator=draw)
    extent = 0.2 + 0.3 * torch.rand(count, 2, generator=draw)
    images = LabelledImages(
        image=torch.rand(count, 3, size, size, generator=draw),
        mask=torch.randint(0, 2, (count, size, size), generator=draw),
        label=torch.arange(count) % 2,
        box=torch.cat([corner, corner + extent], dim=1),
        has_mask=torch.tensor(MASKS, dtype=torch.bool),
        counted=torch.ones(count, dtype=torch.bool),
        index=torch.arange(count),
    )
    if case.teacher == "consistency":
        images.has_mask[list(BARE)] = False
    images.mask[~images.has_mask] = IGNORE_INDEX
    images.label[~torch.tensor(LABELS, dtype=torch.bool)] = NO_LABEL
    images.box[~(torch.tensor(BOXES, dtype=torch.bool) & (case.unlabelled != "bbox"))] = torch.nan
    return images


def make_module(case: Case) -> MultiTaskModule:
    config = case.config
    tasks = assembly.make_tasks(config, CLASSES)
    model = assembly.make_model(config, tasks)
    settle(model, labelled_images(case).image)
    balancer = assembly.make_balancer(config, tasks)
    disturb(balancer)
    decay = config.training.ema
    teacher = None if decay is None else Teacher(model, decay)
    return MultiTaskModule(model, tasks, balancer, config.training, 20, teacher)


def settle(model: nn.Module, image: Tensor) -> None:
    """Batch norms take the statistics of these images, as after training."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(image)
    for norm in norms:
        norm.momentum = 0.1


@torch.no_grad()
def disturb(balancer: nn.Module) -> None:
    """What is learned leaves the place where all tasks are equal."""
    for name, parameter in balancer.named_parameters():
        parameter.fill_(S[name.removeprefix("s.")])
    for name, buffer in balancer.named_buffers():
        if name == "xi":
            buffer.copy_(torch.tensor([0.3, -0.4, 0.8, -0.2])[: len(buffer)])


def make_batch(case: Case, module: MultiTaskModule, numbers: Sequence[int] = EVERY) -> Batch:
    """The batch of these images."""
    whole = labelled_images(case)
    chosen = {
        field.name: value[list(numbers)]
        for field in fields(whole)
        if isinstance(value := getattr(whole, field.name), Tensor)
    }
    views = assembly.make_views(case.config, module.tasks)
    return assembly.Prepare(views, None, seed=0, training=True)(LabelledImages(**chosen))


class Recorder(Callback):
    """Keeps the gradients of the first step."""

    def __init__(self, frozen: bool) -> None:
        self.frozen = frozen
        self.gradients: dict[str, Tensor | None] | None = None

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        module.model.train(not self.frozen)

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        if self.gradients is None:
            self.gradients = {
                name: None if parameter.grad is None else parameter.grad.clone()
                for name, parameter in module.named_parameters()
            }


def train(case: Case, numbers: Sequence[int] = EVERY, processes: int = 1) -> Outcome:
    """Trains this process's part of the batch, with the strategy that ``auxseg train`` takes."""
    module = make_module(case)
    recorder = Recorder(case.frozen)
    before = copied(module)
    # Without a batch size every item is a batch.
    batches = [make_batch(case, module, numbers)] * case.steps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=processes,
            strategy="auto" if processes == 1 else "ddp_find_unused_parameters_true",
            max_epochs=1,
            logger=False,
            callbacks=[recorder],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    assert recorder.gradients is not None
    state = {name: value.clone() for name, value in module.balancer.state_dict().items()}
    teacher = {} if module.teacher is None else copied(module.teacher)
    rows = module.take_step_rows()
    return Outcome(recorder.gradients, before, copied(module), state, teacher, rows)


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


if __name__ == "__main__":
    rank, file = int(sys.argv[1]), Path(sys.argv[2])
    outcomes = [train(case, PARTS[rank], processes=len(PARTS)) for case in CASES]
    torch.save([vars(outcome) for outcome in outcomes], file)
