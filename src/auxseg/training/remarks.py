"""Says in words what a validation shows and a mean over classes hides."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from auxseg.runs.directory import RunDirectory
from auxseg.training.module import MultiTaskModule

#: Validations in a row that must show the same: after the first epoch much is still untrained.
IN_A_ROW = 2


class TellRemarks(Callback):
    """Prints the tasks' remarks to stderr.

    During training a line appears once it held for two validations in a row, and again only if it
    was gone in between. After the last epoch follows what there is to say of the best one. Its
    remarks are kept in the checkpoint, as the best epoch may lie before the run was resumed.

    Lightning's bar redirects stderr while it is shown: a line printed here lands above it.

    Attributes:
        after: of each epoch so far, task → what is to be said if it is the best.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.after: dict[int, dict[str, str]] = {}
        self._lasting: Counter[str] = Counter()

    def state_dict(self) -> dict[str, Any]:
        return {"after": self.after, "lasting": dict(self._lasting)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.after, self._lasting = state_dict["after"], Counter(state_dict["lasting"])

    # After validation's own end, before the end of the epoch, which writes the checkpoint.
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        epoch = trainer.current_epoch + 1
        self.after[epoch] = {}
        for task, remarks in pl_module.remarks.items():
            self.after[epoch][task] = remarks.after
            self._lasting[task] = self._lasting[task] + 1 if remarks.during else 0
            if self._lasting[task] == IN_A_ROW:
                _say(trainer, f"epoch {epoch}: {task} {remarks.during}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.after or not trainer.is_global_zero:
            return  # without validation there is nothing to say, nor a best epoch
        best = self.run.best_metrics()[0]
        for task, remark in self.after.get(best, {}).items():
            if remark:
                _say(trainer, f"best epoch {best}: {task} {remark}")


def _say(trainer: pl.Trainer, line: str) -> None:
    if trainer.is_global_zero:
        print(f"warning: {line}", file=sys.stderr, flush=True)
