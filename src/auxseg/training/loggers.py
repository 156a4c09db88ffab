"""Where training is followed besides ``history.csv``: Lightning's own loggers, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from auxseg.config import Config, plain
from auxseg.errors import UsageError, first_line
from auxseg.runs.settings import flat

#: The experiment or project that a run appears under.
PROJECT = "auxseg"


class Events(TensorBoardLogger):
    """TensorBoard events without Lightning's ``hparams.yaml``: ``config.yaml`` says it all."""

    def save(self) -> None:
        self.experiment.flush()


def _tensorboard(run: Path) -> Logger:
    """Events in the run's folder."""
    return Events(run, name="", version="", default_hp_metric=False)


def _csv(run: Path) -> Logger:
    """``csv/version_N/metrics.csv``; every start of a run has a folder of its own."""
    return CSVLogger(run, name="csv")


def _mlflow(run: Path) -> Logger:
    """At ``$MLFLOW_TRACKING_URI``, else in ``mlflow.db`` in the run's folder."""
    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.absolute() / 'mlflow.db'}"
    return MLFlowLogger(PROJECT, run_name=run.name, tracking_uri=place)


def _wandb(run: Path) -> Logger:
    """A resumed run goes on as the same one."""
    identity = blake2b(str(run.absolute()).encode(), digest_size=8).hexdigest()
    return WandbLogger(name=run.name, project=PROJECT, save_dir=run, id=identity, resume="allow")


#: Name → what makes the logger of a run's folder; ``auxseg.config.training.LOGGERS`` has the names.
LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "tensorboard": _tensorboard,
    "csv": _csv,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


def make_loggers(names: tuple[str, ...], run: Path) -> list[Logger]:
    """Raises :class:`UsageError` for one whose package is missing."""
    found = []
    for name in names:
        try:
            found.append(LOGGERS[name](run))
        except ImportError:
            raise UsageError(
                f"training.logger: {name} needs its package: pip install {name}"
            ) from None
    return found


def log_options(loggers: Sequence[Logger], config: Config) -> None:
    """What a run is trained with; TensorBoard shows that beside a result only.

    Raises:
        UsageError: a logger's server or database cannot be used.
    """
    for name, logger in zip(config.training.logger, loggers, strict=True):
        if isinstance(logger, TensorBoardLogger):
            continue
        try:
            logger.log_hyperparams(flat(plain(config)))
        except Exception as error:  # each package has its own kinds
            raise UsageError(
                f"training.logger: {name} cannot be used ({first_line(error)})"
            ) from None


def log_result(loggers: Sequence[Logger], config: Config, metrics: Mapping[str, Any]) -> None:
    """The best epoch's metrics beside the options, for TensorBoard's table of runs."""
    numbers = {f"best/{name}": one for name, one in metrics.items() if isinstance(one, float)}
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(flat(plain(config)), numbers)
            logger.save()
