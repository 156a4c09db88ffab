"""What a training is, in a line before it begins; and when it should end, soon after."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from auxseg.assembly import Data
from auxseg.config import Config
from auxseg.progress import clock_time, duration
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
    photos = f"{counts['train']} photos to train on"
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
        self.steps, self.began, self.told = 0, 0.0, False

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.told or not trainer.is_global_zero:
            return
        self.steps += 1
        now = time.monotonic()
        if self.steps <= WARM_UP:
            self.began = now
        elif now - self.began >= WATCHED:
            self.told = True
            assert isinstance(pl_module, MultiTaskModule)
            left = self._left(trainer, pl_module, (now - self.began) / (self.steps - WARM_UP))
            if left >= SOON:
                print(f"about {duration(left)} of training left, until {clock_time(left)}")

    @staticmethod
    def _left(trainer: pl.Trainer, module: MultiTaskModule, step: float) -> float:
        """Seconds, validations included."""
        epochs, per_epoch = trainer.max_epochs or 1, int(trainer.num_training_batches)
        steps = min(module.total_steps, epochs * per_epoch) - trainer.fit_loop.total_batch_idx - 1
        batches = sum(int(one) for one in trainer.num_val_batches)
        validations = (epochs - trainer.current_epoch) * batches * VALIDATION
        return step * (steps + validations)
