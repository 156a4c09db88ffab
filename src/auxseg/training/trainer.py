"""Lightning's trainer for a run: device, precision, loggers, callbacks, kept checkpoints."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from torch.optim.lr_scheduler import LambdaLR

from auxseg.config import Config
from auxseg.errors import UsageError
from auxseg.runs.checkpoint import read_checkpoint, write_checkpoint
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task
from auxseg.training.callbacks import EpochBar, EpochLines, Keeper
from auxseg.training.loggers import make_loggers
from auxseg.training.opening import ExpectedEnd
from auxseg.training.remarks import TellRemarks


def make_trainer(
    config: Config, run: RunDirectory, tasks: dict[str, Task], quiet: bool
) -> pl.Trainer:
    """A trainer that keeps its run in ``run``.

    Raises:
        UsageError: this machine has no such accelerator, devices or precision.
    """
    _silence_lightning()
    main = next(iter(tasks.values()))
    metric, info = next(iter(main.METRICS.items()))
    primary = f"{main.NAME}/{metric}"
    bar = sys.stderr.isatty() and sys.stdout.isatty() and not quiet
    keeper = Keeper(run, primary, info.higher_is_better, config.training.checkpoint_interval)
    callbacks: list[Callback] = [keeper, OnSchedule()]
    if not quiet:
        callbacks += [
            EpochBar(primary) if bar else EpochLines(primary),
            TellRemarks(run),
            ExpectedEnd(),
        ]
    plugins: list[Any] = [WholeCheckpoints(run)]
    if SLURMEnvironment.detect() and not TorchElasticEnvironment.detect():
        # Slurm itself requeues a job that ends with a status of its choice: see the docs.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    training, devices = config.training, config.training.devices
    loggers = make_loggers(training.logger, run.path)
    try:
        return pl.Trainer(
            accelerator=training.accelerator,
            devices=list(devices) if isinstance(devices, tuple) else devices,
            # A task without a label in a batch leaves its head without a gradient.
            strategy="auto" if training.alone else "ddp_find_unused_parameters_true",
            num_nodes=training.nodes,
            precision=training.precision,  # type: ignore[arg-type]
            max_epochs=training.last_epoch,
            logger=loggers,
            callbacks=callbacks,
            plugins=plugins,
            enable_progress_bar=bar,
            enable_model_summary=False,
            use_distributed_sampler=False,  # our own sampler shares the images out
            num_sanity_val_steps=0,
            # True would raise: unpooling has no deterministic implementation.
            deterministic="warn",
        )
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        raise UsageError(
            f"accelerator {training.accelerator}, devices {training.devices}, nodes "
            f"{training.nodes}, precision {training.precision}: {' '.join(str(error).split())} "
            "(--accelerator cpu --devices 1 works everywhere)"
        ) from None


class WholeCheckpoints(CheckpointIO):
    """How Lightning's checkpoints reach the disk and are read again (:mod:`runs.checkpoint`)."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        write_checkpoint(Path(path), checkpoint, self.run.previous)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


class OnSchedule(Callback):
    """Sets the learning rate of a resumed run's first step by the schedule at hand.

    The checkpoint holds the rate of the schedule it was written under, which may be a shorter one.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        scheduler = trainer.lr_scheduler_configs[0].scheduler
        assert isinstance(scheduler, LambdaLR)
        rates = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        for group, (rate, factor) in zip(scheduler.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor(scheduler.last_epoch)


def _silence_lightning() -> None:
    """Lightning's notes on hardware and loaders are no use to a person who chose neither."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    # Which parameters a step uses depends on the labels in its batch.
    warnings.filterwarnings("ignore", message=".*find_unused_parameters=True was specified.*")
