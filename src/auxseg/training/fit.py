"""Trains one system into a run directory, from the start or from its last checkpoint."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from auxseg import assembly
from auxseg.config import Config, TrainingConfig
from auxseg.data.kept import KeptSplit
from auxseg.data.loaders import StepSampler
from auxseg.errors import DataError
from auxseg.models import MultiTaskModel
from auxseg.processes import first_of_several
from auxseg.runs.checkpoint import position, read_checkpoint
from auxseg.runs.data import check_bare, open_training_data
from auxseg.runs.directory import RunDirectory
from auxseg.runs.events import writing_events
from auxseg.runs.lock import locked
from auxseg.runs.settings import longer
from auxseg.runs.starting import load_starting_weights
from auxseg.tasks import Task
from auxseg.training.determinism import deterministic
from auxseg.training.failures import explained
from auxseg.training.loggers import log_options, log_result
from auxseg.training.module import MultiTaskModule
from auxseg.training.opening import opening
from auxseg.training.pictures import Pictures
from auxseg.training.teacher import Teacher
from auxseg.training.trainer import make_trainer


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
    if not first_process(config):
        with explained(config.training):
            return _train(config, run, resume, extend, quiet, split)
    run.check_startable(resume)
    with locked(run.path), explained(config.training):
        run.check_startable(resume)  # another process may have been here in between
        return _train(config, run, resume, extend, quiet, split)


def first_process(config: Config) -> bool:
    """Whether this process writes: of several that train together, one does."""
    return config.training.alone or first_of_several()


def _train(
    config: Config,
    run: RunDirectory,
    resume: bool,
    extend: bool,
    quiet: bool,
    split: KeptSplit | None,
) -> Result:
    """As :func:`train`, in a run directory that nobody else writes into."""
    checkpoint = run.checkpoint() if resume else None
    # What fails fast comes first: decoding takes minutes, the weights may be a long download.
    if checkpoint is None:
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
            print(_extension(run, started.training, config.training, checkpoint))
    assembly.check(config, dataset.classes)
    tasks = assembly.make_tasks(config, dataset.classes)
    trainer = make_trainer(config, run, tasks, quiet)
    data = open_training_data(run, config, dataset, resume=resume, split=split)
    check_bare(config, data)
    _check_labels(config, data, tasks)
    assembly.show_pixels(tasks, data)
    model = assembly.make_model(config, tasks)
    messages = data.messages
    if checkpoint is None:
        messages += load_starting_weights(model, config, tasks, data)
    elif checkpoint != run.last:
        messages += (f"{run.last}: is damaged or missing; going on from {checkpoint}",)
    module, loaders = _module_and_loaders(config, data, tasks, model, trainer)
    if config.training.log_images and validates(config):
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.append(Pictures(config, data, config.training.log_images))
    if checkpoint is not None:
        _go_on(loaders[0], checkpoint)
    licence = assembly.weights_licence(model, config)
    if first_process(config):  # nothing is written before everything could be built
        log_options(trainer.loggers, config)
        run.put_away(checkpoint)
        for message in () if quiet else (*messages, *_about(config, licence)):
            print(message, file=sys.stderr)
        if not quiet:
            print(opening(config, data, trainer.strategy.root_device), flush=True)
        run.write_split(data.parts)
        run.write_config(config, dataset.classes, version("auxseg"), data.counts, licence)
    with writing_events(run.path):
        _fit(trainer, module, loaders, checkpoint)
        metrics = run.best_metrics()[1]
        if trainer.is_global_zero:
            run.write_metrics("val", metrics)
            log_result(trainer.loggers, config, metrics)
            run.previous.unlink(missing_ok=True)  # the last one is whole: this has ended well
    return Result(run.path, metrics, data)


def _go_on(loader: DataLoader[Any], checkpoint: Path) -> None:
    """Sets the images of a training loader to the step after a checkpoint."""
    place = position(read_checkpoint(checkpoint))
    sampler = loader.batch_sampler
    assert isinstance(sampler, StepSampler)
    sampler.go_on_at(place.epoch, place.batches)


def _extension(
    run: RunDirectory, before: TrainingConfig, now: TrainingConfig, checkpoint: Path | None
) -> str:
    """What a user should know of a run that is given more epochs."""
    text = f"{run.path}: extended from {before.length} to {now.length}"
    if before.all_epochs != now.all_epochs and checkpoint is not None:
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
        trainer.fit(module, *loaders, ckpt_path=checkpoint, weights_only=True)
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
    module = MultiTaskModule(model, tasks, balancer, config.training, steps, teacher)
    module.guard.name = data.name
    return module, loaders


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
