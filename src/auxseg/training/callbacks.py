"""What happens after steps and epochs: history, checkpoints, a line of text or a progress bar."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, RichProgressBar

from auxseg.config import Interval
from auxseg.progress import duration
from auxseg.runs.directory import RunDirectory
from auxseg.training.module import MultiTaskModule
from auxseg.training.signals import StopSignals, stopped_by


class Keeper(Checkpoint):
    """Writes a row of history, the best weights and the last checkpoint, in this order.

    Killed in between, a run resumes from its last checkpoint: rows past it are dropped, and the
    best weights carry their own epoch and metrics, so they are right whatever was lost.

    A signal to stop is heard after every step: what was learned up to there is kept. During
    validation it waits for the end of the epoch.

    Args:
        primary: the metric that decides which epoch is best, such as ``segmentation/iou``.
        higher_is_better: its direction.
        every: how often to write a checkpoint within an epoch; None for never.
    """

    def __init__(
        self,
        run: RunDirectory,
        primary: str,
        higher_is_better: bool,
        every: Interval | None = None,
    ) -> None:
        super().__init__()
        self.run, self.primary = run, primary
        self.sign = 1.0 if higher_is_better else -1.0
        self.clock = _Clock(every)
        self.signals = StopSignals()
        self.started = time.perf_counter()
        self.steps = 0  # of the run, as far as they were noted

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": time.perf_counter() - self.started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.started = time.perf_counter() - state_dict["seconds"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.signals.listen()
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        if not trainer.is_global_zero:
            return
        self.run.drop_after(trainer.current_epoch)
        steps = self.run.read_steps()
        self.steps = int(steps[-1]["step"]) if steps else 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # validation comes next, and after it the end of the epoch
        stop = pl_module.agreed(self.signals.received is not None)
        if stop or (self.clock.every and pl_module.agreed(self.clock.due())):
            pl_module.guard.look()  # what is kept is worth going on from
            trainer.save_checkpoint(self.run.last)
        if stop:
            self._stop()

    def _stop(self) -> None:
        """Ends training as the signal asks; a process that got none ends as the one that did."""
        raise stopped_by(self.signals.received or signal.SIGTERM)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.signals.restore()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        counts = pl_module.take_image_counts()
        steps = pl_module.take_step_rows()
        if trainer.is_global_zero:
            self._write_steps(trainer, pl_module, steps)
            if counts is not None:
                self.run.append_validation(trainer.current_epoch + 1, *counts)
            self._write_row(trainer, pl_module)
            self._keep_best(trainer, pl_module)
        # Every process takes part in making a checkpoint; only the first one writes it.
        trainer.save_checkpoint(self.run.last)
        self.clock.restart()
        if pl_module.agreed(self.signals.received is not None):
            self._stop()

    def _write_row(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "seconds": round(time.perf_counter() - self.started, 2),
        }
        if module.device.type == "cuda":
            row["peak_memory_mib"] = round(torch.cuda.max_memory_allocated(module.device) / 2**20)
        for stage, values in (("train", module.train_losses), ("val", module.validation)):
            for name, value in values.items():
                if not name.endswith("_per_class"):
                    row[f"{stage}/{name}"] = "" if value is None else f"{value:.6g}"
        self.run.append_history(row)

    def _write_steps(
        self, trainer: pl.Trainer, module: MultiTaskModule, steps: list[dict[str, float]]
    ) -> None:
        """To ``steps.csv``, with a column for everything that any step of the run can have."""
        names = list(module.tasks)
        columns = [f"{name}/{kind}" for kind in ("loss", "weight") for name in names]
        if module.config.conflict_every:
            columns += [f"{a}/{b}/cosine" for a, b in combinations(names, 2)]
        numbered = list(enumerate(steps, start=self.steps + 1))
        self.steps += len(steps)
        rows = [
            {"epoch": trainer.current_epoch + 1, "step": step}
            | {name: f"{found[name]:.6g}" if name in found else "" for name in columns}
            for step, found in numbered
        ]
        self.run.append_steps(rows)
        for logger in trainer.loggers:
            for step, found in numbered:
                numbers = {f"step/{name}": value for name, value in found.items()}
                logger.log_metrics(numbers, step=step)

    def _keep_best(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        value = module.validation[self.primary]
        if trainer.val_dataloaders is None:
            pass  # nothing to choose by: the last epoch is kept
        elif not isinstance(value, float) or math.isnan(value):
            return
        elif self.run.best.is_file():
            best = self.run.best_metrics()[1][self.primary]
            # Of equals the later: while no thing is found yet, IoU stands still and losses fall.
            if self.sign * value < self.sign * best:
                return
        # Losses stay in the history: they depend on the weights of this run's tasks.
        metrics = {k: v for k, v in module.validation.items() if not k.endswith("loss")}
        self.run.drop_metrics()
        self.run.write_best(module.kept.state_dict(), trainer.current_epoch + 1, metrics)


@dataclass
class _Clock:
    """Says after which step a checkpoint is due.

    Attributes:
        every: the interval; None for never.
    """

    every: Interval | None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.steps, self.since = 0, time.monotonic()

    def due(self) -> bool:
        """To be asked after every step."""
        if self.every is None:
            return False
        self.steps += 1
        passed = self.steps if self.every.unit == "steps" else time.monotonic() - self.since
        if passed < self.every.number:
            return False
        self.restart()
        return True


class EpochLines(Checkpoint):
    """One line of plain text per epoch, where output is no terminal.

    A run that counts steps names these: what counts as its epoch is a stretch between validations.

    A kind of checkpoint, as Lightning calls those after the module's own end of the epoch.
    """

    def __init__(self, primary: str) -> None:
        self.primary = primary
        self.started = time.perf_counter()
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        if not trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self.started
        loss, value = pl_module.train_losses["loss"], pl_module.validation[self.primary]
        shown = [
            f"{name} {number:.4f}"
            for name, number in (("train/loss", loss), (f"val/{self.primary}", value))
            if isinstance(number, float)
        ]
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs or 1
        place = f"epoch {epoch}/{last}"
        if pl_module.config.steps is not None:
            place = f"step {trainer.global_step}/{pl_module.config.steps}"
        self.seconds.append(seconds)
        took = f"{seconds:.1f} s"
        if epoch < last:
            took += f", {duration((last - epoch) * fmean(self.seconds))} left"
        print("  ".join([place, *shown, took]), flush=True)


class EpochBar(RichProgressBar):
    """Lightning's progress bar with the losses last looked at and the last validation IoU."""

    def __init__(self, primary: str) -> None:
        super().__init__(refresh_rate=5, leave=True)
        self.primary = primary

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        assert isinstance(pl_module, MultiTaskModule)
        shown: dict[str, Any] = {name: f"{loss:.3f}" for name, loss in pl_module.guard.last.items()}
        value = pl_module.validation.get(self.primary)
        if isinstance(value, float):
            shown[f"val {self.primary}"] = f"{value:.3f}"
        return shown
