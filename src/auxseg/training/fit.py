"""Trains one system into a run directory, from the start or from its last checkpoint."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from auxseg import assembly
from auxseg.config import Config, TrainingConfig
from auxseg.data.kept import KeptSplit
from auxseg.errors import DataError, UsageError
from auxseg.models import MultiTaskModel
from auxseg.runs.data import check_bare, open_training_data
from auxseg.runs.directory import RunDirectory
from auxseg.runs.settings import longer
from auxseg.tasks import Task
from auxseg.training.callbacks import EpochBar, EpochLines, Keeper
from auxseg.training.determinism import deterministic
from auxseg.training.failures import explained
from auxseg.training.module import MultiTaskModule
from auxseg.training.remarks import TellRemarks
from auxseg.training.teacher import Teacher


@dataclass(frozen=True)
class Result:
    """What training leaves.

    Attributes:
        run_dir: the run directory.
        metrics: validation metrics of the best epoch, as in ``metrics-val.json``.
        data: what it was trained on, still open; None where the run was finished before.
    """

    run_dir: Path
    metrics: dict[str, Any]
    data: assembly.Data | None = field(default=None, repr=False, compare=False)


#: Of the training and the validation images; None where the latter are trained on.
Loaders = tuple[DataLoader[Any], DataLoader[Any] | None]


def validates(config: Config) -> bool:
    """Whether there are validation images, or whether they are trained on."""
    return config.data.train_on == "train"


@deterministic()
def train(
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    extend: bool = False,
    quiet: bool = False,
    split: KeptSplit | None = None,
) -> Result:
    """Trains a system.

    Args:
        out: the run directory; must be new or empty unless ``resume``.
        resume: continue from the last checkpoint; from scratch without one; a finished run is left
            as it is. The options must be those that the run was started with.
        extend: whether a resumed run may be given more epochs than it was started with.
        quiet: print nothing.
        split: the part of each image, as another run kept it; by default the configuration's. A
            run that goes on keeps its own.

    Raises:
        UsageError, DataError, TrainingError: one line each, before anything is overwritten.
    """
    run = RunDirectory(out)
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0  # Lightning's further processes start later
    if first:
        run.check_startable(resume)
    # What fails fast comes first: decoding takes minutes, the weights may be a long download.
    if not (resume and run.last.is_file()):
        assembly.check_weights(config)
    dataset = assembly.open_dataset(config.data)
    config = assembly.resolve(config, dataset)
    if resume:
        started = run.check_resumable(config, extend=extend)
        if run.finished(config.training.last_epoch):
            if not quiet:
                print(f"{run.path}: already finished")
            return Result(run.path, run.read_metrics("val"))
        if started is not None and longer(started, config) and not quiet:
            print(_extension(run, started.training, config.training))
    assembly.check(config, dataset.classes)
    tasks = assembly.make_tasks(config, dataset.classes)
    _silence_lightning()
    trainer = _trainer(config, run, tasks, quiet)
    data = open_training_data(run, config, dataset, resume=resume, split=split)
    check_bare(config, data)
    _check_labels(config, data, tasks)
    assembly.show_pixels(tasks, data)
    model = assembly.make_model(config, tasks)
    messages = data.messages
    if not run.last.is_file():
        messages += _load_starting_weights(model, config, data, tasks)
    module, loaders = _module_and_loaders(config, data, tasks, model, trainer)
    licence = assembly.weights_licence(model, config)
    if first:  # nothing is written before everything could be built
        for message in () if quiet else (*messages, *_about(config, licence)):
            print(message, file=sys.stderr)
        run.write_split(data.parts)
        run.write_config(config, dataset.classes, version("auxseg"), data.counts, licence)
    _fit(trainer, module, loaders, run.last if run.last.is_file() else None)
    metrics = run.best_metrics()[1]
    if trainer.is_global_zero:
        run.write_metrics("val", metrics)
    return Result(run.path, metrics, data)


def _load_starting_weights(
    model: MultiTaskModel, config: Config, data: assembly.Data, tasks: dict[str, Task]
) -> tuple[str, ...]:
    """Loads what ``--weights`` names; returns what to say of it."""
    path = assembly.starting_weights(config)
    if path is None:
        assembly.load_published(model, config)
        return ()
    if not path.is_dir():
        assembly.load_starting_weights(model, path, config, data, tasks)
        return ()
    other = RunDirectory(path)
    other.read_config()  # raises where it is not a run
    left_out = assembly.load_network(model, other.read_best(), path)
    return () if left_out is None else (left_out,)


def _extension(run: RunDirectory, before: TrainingConfig, now: TrainingConfig) -> str:
    """What a user should know of a run that is given more epochs."""
    text = f"{run.path}: extended from {before.length} to {now.length}"
    if before.all_epochs != now.all_epochs and run.last.is_file():
        whole = f"{now.all_epochs} epochs" if now.steps is None else f"{now.steps} steps"
        text += (
            "; from here the learning rate follows the longer schedule, so the result is not "
            f"bit for bit that of {whole} in one run"
        )
    return text


def _about(config: Config, licence: str | None) -> tuple[str, ...]:
    """What to say of the starting weights."""
    if licence is None:
        return ()
    return (f"published weights of {config.model.encoder}: licence {licence}",)


def _fit(
    trainer: pl.Trainer,
    module: MultiTaskModule,
    loaders: Loaders,
    checkpoint: Path | None,
) -> None:
    try:
        # Our own checkpoint holds more than tensors: counters of the loops, the scheduler's state.
        with explained(module.config):
            trainer.fit(module, *loaders, ckpt_path=checkpoint, weights_only=False)
    except SystemExit:
        # Lightning's answer to Ctrl-C.
        raise KeyboardInterrupt from None


def _module_and_loaders(
    config: Config,
    data: assembly.Data,
    tasks: dict[str, Task],
    model: MultiTaskModel,
    trainer: pl.Trainer,
) -> tuple[MultiTaskModule, Loaders]:
    place = {"rank": trainer.global_rank, "world_size": trainer.world_size}
    loaders = (
        assembly.make_train_loader(config, data, tasks, **place),
        assembly.make_eval_loader(config, data, tasks, "val", **place)
        if validates(config)
        else None,
    )
    steps = config.training.steps or len(loaders[0]) * config.training.all_epochs
    balancer = assembly.make_balancer(config, tasks)
    decay = config.training.ema
    teacher = None if decay is None else Teacher(model, decay)
    for network in (model,) if teacher is None else (model, teacher.model):
        assembly.set_up(network, config.training)
    return MultiTaskModule(model, tasks, balancer, config.training, steps, teacher), loaders


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


class Events(TensorBoardLogger):
    """TensorBoard events without Lightning's ``hparams.yaml``: ``config.yaml`` says it all."""

    def save(self) -> None:
        self.experiment.flush()


def _trainer(config: Config, run: RunDirectory, tasks: dict[str, Task], quiet: bool) -> pl.Trainer:
    main = next(iter(tasks.values()))
    metric, info = next(iter(main.METRICS.items()))
    primary = f"{main.NAME}/{metric}"
    bar = sys.stderr.isatty() and sys.stdout.isatty() and not quiet
    callbacks: list[Callback] = [Keeper(run, primary, info.higher_is_better), OnSchedule()]
    if not quiet:
        callbacks += [EpochBar(primary) if bar else EpochLines(primary), TellRemarks(run)]
    training, devices = config.training, config.training.devices
    try:
        return pl.Trainer(
            accelerator=training.accelerator,
            devices=list(devices) if isinstance(devices, tuple) else devices,
            # A task without a label in a batch leaves its head without a gradient.
            strategy="auto" if devices == 1 else "ddp_find_unused_parameters_true",
            precision=training.precision,  # type: ignore[arg-type]
            max_epochs=training.last_epoch,
            logger=Events(run.path, name="", version="", default_hp_metric=False),
            callbacks=callbacks,
            enable_progress_bar=bar,
            enable_model_summary=False,
            use_distributed_sampler=False,  # our own sampler shares the images out
            num_sanity_val_steps=0,
            # True would raise: unpooling has no deterministic implementation.
            deterministic="warn",
        )
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        raise UsageError(
            f"accelerator {training.accelerator}, devices {training.devices}, precision "
            f"{training.precision}: {' '.join(str(error).split())} "
            "(--accelerator cpu --devices 1 works everywhere)"
        ) from None


def _check_labels(config: Config, data: assembly.Data, tasks: dict[str, Task]) -> None:
    """Every task needs a labelled training image, the primary one a validation image as well."""
    primary = next(iter(tasks))
    parts: dict[str, tuple[str, ...]] = {"train": tuple(tasks)}
    if validates(config):
        parts["val"] = (primary,)
        if not data.split.val:
            raise DataError(
                f"the val split of {data.dataset.NAME} has no images to choose the best epoch on; "
                "add labelled images, or train without validation (--train-on train+val)"
            )
    for part, names in parts.items():
        loader = assembly.make_eval_loader(config, data, tasks, part)
        missing = set(names)
        for batch in loader:
            missing -= {name for name in missing if bool(batch.targets[name].present.any())}
            if not missing:
                break
        if missing:
            mend = "leave the task out" if part == "train" else "choose another --split"
            raise DataError(
                f"{', '.join(sorted(missing))}: no image of the {part} split has a label for it; "
                f"add labels or {mend}"
            )


def _silence_lightning() -> None:
    """Lightning's notes on hardware and loaders are no use to a person who chose neither."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    # Which parameters a step uses depends on the labels in its batch.
    warnings.filterwarnings("ignore", message=".*find_unused_parameters=True was specified.*")
