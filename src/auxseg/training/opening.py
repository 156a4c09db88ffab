"""What a training is, in a line before it begins; and when it should end, soon after."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from auxseg.assembly import Data
from auxseg.config import Config
from auxseg.progress import clock_time, counted, duration
from auxseg.training.module import MultiTaskModule

#: The first steps are slow: buffers are made, programs compiled. They tell nothing of the others.
WARM_UP = 3
#: Seconds of steps from which those to come are foretold.
WATCHED = 5.0
#: What ends sooner than this, in seconds, need not be announced.
SOON = 30.0
#: What validating a batch costs, of a step on it: no backward pass.
VALIDATION = 1 / 3


def opening(config: Config, data: Data, device: torch.device) -> str:
    """Device, photos, masks, classes, size and length."""
    where = device.type
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    counts = data.counts
    photos = counted(counts["train"], "photo") + " to train on"
    if data.dataset.mask_classes:
        photos += f" ({counts['masks']} with a mask)"
    if counts["unlabelled"]:
        photos += f", {counts['unlabelled']} without labels"
    if counts["val"]:
        photos += f", {counts['val']} to validate on"
    classes = len(data.dataset.mask_classes)
    return (
        f"{config.preset} on {where}: {photos}; {classes} classes; {data.fit.text} pixels, "
        f"{config.training.length}, batches of {config.training.batch_size}"
    )


class ExpectedEnd(Callback):
    """Says once, after some steps, how long training takes."""

    def __init__(self) -> None:
        self.told = False
        self.steps, self.seconds = 0, 0.0  # of steps alone, their data included
        self.validated = 0.0  # seconds of the last validation
        self._since: float | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Behind another step it counts from that one's end: waiting for the loader is part of it.
        if batch_idx == 0 or self._since is None:
            self._since = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.told or not trainer.is_global_zero or self._since is None:
            return
        now = time.monotonic()
        self.steps += 1
        if self.steps > WARM_UP:
            self.seconds += now - self._since
        self._since = now
        if self.seconds >= WATCHED:
            self.told = True
            assert isinstance(pl_module, MultiTaskModule)
            step = self.seconds / (self.steps - WARM_UP)
            left = self._left(trainer, pl_module, step)
            if left >= SOON:
                text = f"about {duration(left)} of training left, until {clock_time(left)}"
                print(text, flush=True)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._since is not None:
            self.validated = time.monotonic() - self._since
        self._since = None

    def _left(self, trainer: pl.Trainer, module: MultiTaskModule, step: float) -> float:
        """Seconds, validations included."""
        epochs, per_epoch = trainer.max_epochs or 1, int(trainer.num_training_batches)
        steps = min(module.total_steps, epochs * per_epoch) - trainer.fit_loop.total_batch_idx - 1
        batches = sum(int(one) for one in trainer.num_val_batches)
        validation = self.validated or step * batches * VALIDATION
        return step * steps + (epochs - trainer.current_epoch) * validation
