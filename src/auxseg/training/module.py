"""The training step as a Lightning module: views → predictions → losses → balancer → update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from auxseg.balancing import Balancer
from auxseg.config import TrainingConfig
from auxseg.errors import TrainingError
from auxseg.models import MultiTaskModel
from auxseg.models.initialise import keyed_generator
from auxseg.tasks import LabelledMean, MetricValue, Task, masked_mean
from auxseg.types import Batch, Target


class MultiTaskModule(pl.LightningModule):
    """Trains one model on several tasks. Optimisation is manual: one path for all balancers.

    Attributes:
        validation: metrics of the last validation, ``TASK/METRIC`` → value, losses among them.
        train_losses: mean losses of the last epoch, ``TASK/loss`` and ``loss``.
        step_losses: losses of the last step, for the progress bar.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: Mapping[str, Task],
        balancer: Balancer,
        config: TrainingConfig,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.tasks, self.balancer = model, dict(tasks), balancer
        self.config, self.total_steps = config, total_steps
        self.metrics = nn.ModuleDict({name: task.metrics() for name, task in tasks.items()})
        self.train_means, self.val_means = self._loss_means(), self._loss_means()
        self.step_losses: dict[str, Tensor] = {}
        self.validation: dict[str, MetricValue] = {}
        self.train_losses: dict[str, MetricValue] = {}

    def _loss_means(self) -> nn.ModuleDict:
        return nn.ModuleDict({name: LabelledMean() for name in ("loss", *self.tasks)})

    # -- training -------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        # Dropout's numbers depend on seed, epoch and step alone, so that resuming repeats them.
        name = f"dropout/{self.current_epoch}/{batch_idx}/{self.global_rank}"
        torch.manual_seed(keyed_generator(self.config.seed, name).initial_seed())
        predictions = self.model.forward_views(batch.views, batch.routes)
        losses = self._losses(predictions, batch.targets, self.train_means)
        if not losses:
            return  # not one label in this batch
        loss = self.balancer(losses)
        self._check_finite(loss, losses)
        _add(self.train_means, "loss", loss.detach())
        self.step_losses = {name: value.detach() for name, value in losses.items()}
        self._update(loss)

    def _losses(
        self,
        predictions: Mapping[str, Tensor],
        targets: Mapping[str, Target],
        means: nn.ModuleDict,
    ) -> dict[str, Tensor]:
        """The mean loss of every task over its labelled samples; a task without any takes no part.

        Over several processes the mean is that of all their labelled samples together: a mean of
        means would weigh a sample more where it has fewer labelled neighbours.
        """
        losses = {}
        for name, target in targets.items():
            each = self.tasks[name].loss(predictions[name].float(), target.value)
            count = target.present.sum()
            _add(means, name, each.detach()[target.present])
            if self.trainer.world_size > 1:
                counts = self.all_gather(count)
                assert isinstance(counts, Tensor)
                count = counts.float().mean()
            if count > 0:
                losses[name] = masked_mean(each, target.present, count)
        return losses

    def _update(self, loss: Tensor) -> None:
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        scheduler = self.lr_schedulers()
        assert isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR)
        scheduler.step()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Here, and not before step(), gradients of 16-bit training are back at their own scale.
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.config.clip_norm)

    def on_train_epoch_end(self) -> None:
        self.train_losses = self._take(self.train_means)
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        self._log({f"train/{name}": value for name, value in self.train_losses.items()})
        self._log({"train/lr": optimizer.param_groups[0]["lr"]})

    def _check_finite(self, loss: Tensor, losses: Mapping[str, Tensor]) -> None:
        if not bool(torch.isfinite(loss)):
            bad = [name for name, value in losses.items() if not bool(torch.isfinite(value))]
            raise self._diverged(", ".join(bad) or "the balanced loss")

    def _take(self, means: nn.ModuleDict) -> dict[str, MetricValue]:
        """``loss`` and ``TASK/loss`` → the epoch's means, which start anew."""
        values: dict[str, MetricValue] = {}
        for name, mean in means.items():
            assert isinstance(mean, LabelledMean)
            value = mean.compute()
            mean.reset()
            if value is not None and not math.isfinite(value):
                raise self._diverged(name)
            values[name if name == "loss" else f"{name}/loss"] = value
        return values

    def _diverged(self, name: str) -> TrainingError:
        return TrainingError(
            f"the loss of {name} is not a finite number in epoch {self.current_epoch + 1}; "
            f"lower --training.lr (now {self.config.lr:g}) or set --training.clip_norm 1, with "
            "another --out; the weights of the epochs before are kept"
        )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, decaying matrices only; linear warm-up, then a half cosine down to zero."""
        parameters = [*self.model.parameters(), *self.balancer.parameters()]
        groups = [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": self.config.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.config.lr)
        warmup = max(1, round(self.config.warmup * self.total_steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = (step - warmup) / max(1, self.total_steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, factor)]

    # -- validation -----------------------------------------------------------------------------

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        predictions = self.model.forward_views(batch.views, batch.routes)
        losses = self._losses(predictions, batch.targets, self.val_means)
        if losses:
            _add(self.val_means, "loss", self.balancer(losses).detach())
        for name, target in batch.targets.items():
            self.metrics[name].update(predictions[name], target, batch.view_of(name))  # type: ignore[operator]

    def on_validation_epoch_end(self) -> None:
        self.validation = self._take(self.val_means)
        for name, metrics in self.metrics.items():
            for metric, value in metrics.compute().items():  # type: ignore[operator]
                self.validation[f"{name}/{metric}"] = value
            metrics.reset()  # type: ignore[operator]
        self._log({f"val/{name}": value for name, value in self.validation.items()})

    # -- helpers --------------------------------------------------------------------------------

    def _log(self, values: Mapping[str, Any]) -> None:
        """To TensorBoard and the progress bar; lists and missing values have no place there."""
        numbers = {
            name: float(value) for name, value in values.items() if isinstance(value, (int, float))
        }
        if self.logger is not None:
            self.logger.log_metrics(numbers, step=self.current_epoch + 1)


def _add(means: nn.ModuleDict, name: str, losses: Tensor) -> None:
    mean = means[name]
    assert isinstance(mean, LabelledMean)
    mean.add(losses)
