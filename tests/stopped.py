"""A training that is stopped inside this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytorch_lightning import LightningModule, Trainer

from auxseg.training.callbacks import Keeper


class StoppedError(Exception):
    """Stands for a kill."""


@contextmanager
def stopped_at(epoch: int, batch: int) -> Iterator[None]:
    """The block trains until it comes to this batch, and must come there; both count from 0."""

    def stop(
        keeper: Keeper, trainer: Trainer, module: LightningModule, data: object, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (epoch, batch):
            raise StoppedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", stop)
        with pytest.raises(StoppedError):
            yield
