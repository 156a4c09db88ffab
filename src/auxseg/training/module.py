"""The Lightning module around the training step: optimiser, metrics, records, processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from auxseg.balancing import Balancer
from auxseg.config import TrainingConfig
from auxseg.models import MultiTaskModel
from auxseg.seeding import keyed_seed
from auxseg.tasks import LabelledMean, MetricValue, Remarks, Task, completed
from auxseg.training.guard import Guard, SkipStep, Statistics
from auxseg.training.lessons import Lessons
from auxseg.training.optimizer import make_optimizer, make_schedule
from auxseg.training.step import (
    losses_after,
    over_processes,
    task_losses,
    taught,
    training_step,
)
from auxseg.training.teacher import Teacher
from auxseg.types import Batch

#: The checkpoint's entry for an epoch that is not complete.
SO_FAR = "so_far"


class MultiTaskModule(pl.LightningModule):
    """Trains one model on several tasks. Optimisation is manual: one path for all balancers.

    Attributes:
        validation: metrics of the last validation, ``TASK/METRIC`` → value, losses among them.
        remarks: what the tasks have to say of it, by task.
        train_losses: mean losses of the last epoch, ``TASK/loss`` and ``loss``, and what a teacher
            taught (:class:`Lessons`).
        guard: checks that the losses are finite.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: Mapping[str, Task],
        balancer: Balancer,
        config: TrainingConfig,
        total_steps: int,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.tasks, self.balancer = model, dict(tasks), balancer
        self.teacher = teacher
        self.config, self.total_steps = config, total_steps
        self.metrics = nn.ModuleDict({name: task.metrics() for name, task in tasks.items()})
        self.train_means, self.val_means = self._loss_means(), self._loss_means()
        self.lessons = Lessons(self.tasks)
        self.guard = Guard(config, every_step=balancer.BY_GRADIENTS)
        #: Tensors where the network is, and numbers of steps before a stop.
        self.step_rows: list[Mapping[str, Tensor | float]] = []
        self._image_counts: list[tuple[Tensor, Tensor]] = []
        self.validation: dict[str, MetricValue] = {}
        self.remarks: dict[str, Remarks] = {}
        self.train_losses: dict[str, MetricValue] = {}

    @property
    def kept(self) -> MultiTaskModel:
        """The network that is validated and kept: the average, where there is one."""
        return self.model if self.teacher is None else self.teacher.model

    def _loss_means(self) -> nn.ModuleDict:
        return nn.ModuleDict({name: LabelledMean() for name in ("loss", *self.tasks)})

    # -- training -------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        # Validation comes with an epoch's last batch, also in one that is shorter than the others.
        self.trainer.val_check_batch = math.inf

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        self.guard.begin(self.trainer.fit_loop.total_batch_idx + 1, batch.index)
        before = Statistics(self.model) if self.guard.skips else None
        try:
            self._step(batch, batch_idx)
        except SkipStep:
            assert before is not None
            before.put_back()

    def _step(self, batch: Batch, batch_idx: int) -> None:
        counts, dropout = self._labelled(batch), self._seed("dropout", batch_idx, self.global_rank)
        progress = self.global_step / self.total_steps
        if batch.asked is not None:
            assert self.teacher is not None
            with_answers = taught(batch, self.tasks, self.teacher, counts, self._average)
            batch, counts = with_answers.batch, with_answers.counts
            self.lessons.add(with_answers.lessons)
        found = training_step(
            self.model,
            self.tasks,
            self.balancer,
            batch,
            # These numbers depend on seed, epoch and step alone, so that resuming repeats them.
            dropout_seed=dropout,
            # The same on every process: all must balance alike.
            balancer_seed=self._seed("balancer", batch_idx),
            counts=counts,
            progress=progress,
            measure_cosines=self._measures_conflict(batch_idx),
            watch=self.guard.watch,
            backward=self.manual_backward,
            average=self._average,
        )
        self.guard.explain(found.samples)
        for name, samples in found.samples.items():
            _add(self.train_means, name, samples, batch.targets[name].present)
        if not found.values:
            return  # not one label in this batch
        _add(self.train_means, "loss", self._reported(found.values))
        self._take_step()
        self.step_rows.append(
            {f"{name}/loss": value for name, value in found.values.items()}
            | {f"{pair}/cosine": value for pair, value in found.cosines.items()}
            | {f"{name}/weight": weight for name, weight in found.weights.items()}
        )
        if self.balancer.LOOKS_BACK:
            after = losses_after(
                self.model,
                self.tasks,
                batch,
                dropout_seed=dropout,
                counts=counts,
                progress=progress,
                average=self._average,
            )
            self.guard.watch(after)
            self.balancer.look_back(after)

    def _take_step(self) -> None:
        """The optimiser's step, and the schedule's."""
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        assert not isinstance(optimizer, list)
        optimizer.step()
        assert isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR)
        scheduler.step()
        if self.teacher is not None:
            self.teacher.follow(self.model)

    def _labelled(self, batch: Batch) -> dict[str, float]:
        """How many images have each task's label, as a mean over the processes."""
        if self.trainer.world_size == 1:
            return dict(batch.labelled)
        own = torch.tensor(list(batch.labelled.values()), dtype=torch.float32, device=self.device)
        return dict(zip(batch.labelled, self._average(own).tolist(), strict=True))

    def _measures_conflict(self, batch_idx: int) -> bool:
        return bool(self.config.conflict_every) and batch_idx % self.config.conflict_every == 0

    def _seed(self, *purpose: object) -> int:
        """A seed for one purpose in this epoch."""
        name = "/".join(map(str, (purpose[0], self.current_epoch, *purpose[1:])))
        return keyed_seed(self.config.seed, name)

    def _average(self, tensor: Tensor) -> Tensor:
        """A tensor's mean over all processes."""
        if self.trainer.world_size == 1:
            return tensor
        return self.trainer.strategy.reduce(tensor, reduce_op="mean")

    def agreed(self, wish: bool) -> bool:
        """Whether any process wants something: all must do it, or none."""
        if self.trainer.world_size == 1:
            return wish
        return bool(self._average(torch.tensor(float(wish), device=self.device)) > 0)

    def _reported(self, values: Mapping[str, Tensor]) -> Tensor:
        """One number to follow, the same for every balancer: the losses by the fixed weights."""
        weights = self.balancer.weights
        return torch.stack([weights[name] * value for name, value in values.items()]).sum()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Here, and not before step(), gradients of 16-bit training are back at their own scale.
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.config.clip_norm)

    def on_train_epoch_end(self) -> None:
        self.guard.look()
        self.balancer.end_epoch()
        self._share_statistics()
        if self.trainer.val_dataloaders is None:
            self.on_validation_epoch_end()  # every metric is there, without a value
        self.train_losses = self._take(self.train_means) | self.lessons.take()
        if self.guard.skips:
            self.train_losses["skipped"] = float(self.guard.take_skipped())
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        self._log({f"train/{name}": value for name, value in self.train_losses.items()})
        self._log({"train/lr": optimizer.param_groups[0]["lr"]})

    def _take(self, means: nn.ModuleDict) -> dict[str, MetricValue]:
        """``loss`` and ``TASK/loss`` → the epoch's means, which start anew."""
        values: dict[str, MetricValue] = {}
        for name, mean in means.items():
            assert isinstance(mean, LabelledMean)
            value = mean.compute()
            mean.reset()
            if value is not None and not math.isfinite(value):
                what = f"the loss of {name} is not a finite number in epoch"
                raise self.guard.diverged(f"{what} {self.current_epoch + 1}")
            values[name if name == "loss" else f"{name}/loss"] = value
        return values

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = make_optimizer(self.model, self.balancer, self.config)
        return [optimizer], [make_schedule(optimizer, self.config, self.total_steps)]

    # -- an epoch that is stopped in the middle -------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what the epoch has added up so far, of every process, and the rows of its steps."""
        own = {name: mean.sums() for name, mean in self._means()} | self.lessons.sums()
        everywhere: list[Any] = [own]
        if self.trainer.world_size > 1:
            everywhere = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everywhere, own)
        rows = [{name: float(value) for name, value in row.items()} for row in self.step_rows]
        checkpoint[SO_FAR] = {"sums": everywhere, "steps": rows, "skipped": self.guard.skipped}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up an epoch where it was stopped; with other processes, the first takes all."""
        so_far = checkpoint.get(SO_FAR, {"sums": [], "steps": []})  # none before these were kept
        self.step_rows = [dict(row) for row in so_far["steps"]]
        self.guard.skipped = so_far.get("skipped", 0)
        mine = so_far["sums"][self.global_rank :: self.trainer.world_size]
        for sums in mine:
            for name, mean in self._means():
                mean.add_sums(*sums[name])
            self.lessons.add_sums(sums)

    def _means(self) -> list[tuple[str, LabelledMean]]:
        return [(f"{name}/loss", mean) for name, mean in self.train_means.items()]  # type: ignore[misc]

    # -- validation -----------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.guard.look()  # before validation tells of it in other words
        self._image_counts = []
        self._share_statistics()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        predictions = self.kept.forward_views(batch.views, batch.routes)
        # What is validated is the teacher itself.
        targets = completed(self.tasks, batch.targets, predictions[next(iter(self.tasks))])
        batch = replace(batch, targets=targets)
        losses = task_losses(predictions, self.tasks, batch, self._labelled(batch))
        for name, samples in losses.samples.items():
            _add(self.val_means, name, samples, batch.targets[name].present)
        if losses.means:
            reported = self._reported(over_processes(losses.means, self._average))
            _add(self.val_means, "loss", reported)
        for name, target in batch.targets.items():
            self.metrics[name].update(predictions[name], target, batch.view_of(name))  # type: ignore[operator]
        primary = next(iter(self.tasks))
        target = batch.targets[primary]
        prediction = predictions[primary].float()[target.present]
        counts = self.tasks[primary].counts(prediction, target.value[target.present])
        self._image_counts.append((batch.index[target.present], counts))

    def on_validation_epoch_end(self) -> None:
        self.validation = self._take(self.val_means)
        for name, metrics in self.metrics.items():
            for metric, value in metrics.compute().items():  # type: ignore[operator]
                self.validation[f"{name}/{metric}"] = value
            self.remarks[name] = metrics.remarks()  # type: ignore[operator]
            metrics.reset()  # type: ignore[operator]
        if 2 * self.global_step >= self.total_steps:  # a young teacher is sure of little
            self.remarks |= self.lessons.remarks()
        self._log({f"val/{name}": value for name, value in self.validation.items()})

    def take_image_counts(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What each labelled validation image of all processes adds to the primary metric.

        Returns:
            the images' numbers (n,), ascending, and their counts (n, S), those of an image's tiles
            together; None without validation.
        """
        own = [tuple(part.cpu().numpy() for part in parts) for parts in self._image_counts]
        everywhere: list[Any] = [own]
        if self.trainer.world_size > 1:  # also a process without an image takes part
            everywhere = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everywhere, own)
        batches = [batch for process in everywhere for batch in process]
        if not batches:
            return None
        images, counts = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        numbers, rows = np.unique(images, return_inverse=True)
        summed = np.zeros((len(numbers), *counts.shape[1:]), counts.dtype)
        np.add.at(summed, rows, counts)
        return numbers, summed

    def take_step_rows(self) -> list[dict[str, float]]:
        """``TASK/loss``, ``TASK/weight`` and ``A/B/cosine`` of each step since the last call."""
        rows, self.step_rows = self.step_rows, []
        if not rows:
            return []
        # One transfer for the whole epoch: a step never waits for the numbers of its own log.
        values = [value for row in rows for value in row.values()]
        tensors = [value.double() for value in values if isinstance(value, Tensor)]
        moved = iter(torch.stack(tensors).tolist() if tensors else ())
        numbers = iter([next(moved) if isinstance(one, Tensor) else one for one in values])
        return [{name: next(numbers) for name in row} for row in rows]

    def _share_statistics(self) -> None:
        """Gives all processes the running statistics of the first, which are those that are kept.

        Each has those of its own images else, and would be measured and resumed with them.
        """
        if self.trainer.world_size > 1:
            networks = [self.model] if self.teacher is None else [self.model, self.teacher.model]
            for network in networks:
                for buffer in network.buffers():
                    torch.distributed.broadcast(buffer, src=0)

    # -- helpers --------------------------------------------------------------------------------

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Does not wait for the copy: the loader's memory is pinned where there is a GPU."""
        moved = batch.to(device, non_blocking=device.type == "cuda")
        assert isinstance(moved, Batch)
        return moved

    def _log(self, values: Mapping[str, Any]) -> None:
        """To the loggers; lists and missing values have no place there."""
        numbers = {
            name: float(value) for name, value in values.items() if isinstance(value, (int, float))
        }
        for logger in self.loggers:
            logger.log_metrics(numbers, step=self.current_epoch + 1)


def _add(means: nn.ModuleDict, name: str, losses: Tensor, present: Tensor | None = None) -> None:
    mean = means[name]
    assert isinstance(mean, LabelledMean)
    mean.add(losses, present)
