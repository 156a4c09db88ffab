"""What happens at the end of an epoch: history, checkpoints, a line of text or a progress bar."""

from __future__ import annotations

import math
import time
from itertools import combinations
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, RichProgressBar

from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import replacing
from auxseg.training.module import MultiTaskModule


class Keeper(Checkpoint):
    """Writes a row of history, the best weights and the last checkpoint, in this order.

    Killed in between, a run resumes from its last checkpoint: rows past it are dropped, and the
    best weights carry their own epoch and metrics, so they are right whatever was lost.

    Args:
        primary: the metric that decides which epoch is best, such as ``segmentation/iou``.
        higher_is_better: its direction.
    """

    def __init__(self, run: RunDirectory, primary: str, higher_is_better: bool) -> None:
        super().__init__()
        self.run, self.primary = run, primary
        self.sign = 1.0 if higher_is_better else -1.0
        self.started = time.perf_counter()
        self.steps = 0  # of the run, as far as they were noted

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        if not trainer.is_global_zero:
            return
        self.run.drop_after(trainer.current_epoch)
        steps = self.run.read_steps()
        self.steps = int(steps[-1]["step"]) if steps else 0

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
            with replacing(self.run.last) as temporary:
                trainer.save_checkpoint(temporary)
        else:  # every process takes part in making a checkpoint; only the first one writes it
            trainer.save_checkpoint(self.run.last)

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
        if trainer.logger is not None:
            for step, found in numbered:
                numbers = {f"step/{name}": value for name, value in found.items()}
                trainer.logger.log_metrics(numbers, step=step)

    def _keep_best(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        value = module.validation[self.primary]
        if trainer.val_dataloaders is None:
            pass  # nothing to choose by: the last epoch is kept
        elif not isinstance(value, float) or math.isnan(value):
            return
        elif self.run.best.is_file():
            best = self.run.best_metrics()[1][self.primary]
            if self.sign * value <= self.sign * best:
                return
        # Losses stay in the history: they depend on the weights of this run's tasks.
        metrics = {k: v for k, v in module.validation.items() if not k.endswith("loss")}
        self.run.drop_metrics()
        self.run.write_best(module.kept.state_dict(), trainer.current_epoch + 1, metrics)


class EpochLines(Checkpoint):
    """One line of plain text per epoch, where output is no terminal.

    A kind of checkpoint, as Lightning calls those after the module's own end of the epoch.
    """

    def __init__(self, primary: str) -> None:
        self.primary = primary
        self.started = time.perf_counter()

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
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        print("  ".join([epoch, *shown, f"{seconds:.1f} s"]), flush=True)


class EpochBar(RichProgressBar):
    """Lightning's progress bar with the losses last looked at and the last validation IoU."""

    def __init__(self, primary: str) -> None:
        super().__init__(refresh_rate=5, leave=True)
        self.primary = primary

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        assert isinstance(pl_module, MultiTaskModule)
        shown: dict[str, Any] = {
            name: f"{loss:.3f}" for name, loss in pl_module.seen_losses.items()
        }
        value = pl_module.validation.get(self.primary)
        if isinstance(value, float):
            shown[f"val {self.primary}"] = f"{value:.3f}"
        return shown
