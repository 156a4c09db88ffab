"""When training is said to end: steps and validations are told apart."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from auxseg.training import opening
from auxseg.training.module import MultiTaskModule
from auxseg.training.opening import ExpectedEnd


@pytest.mark.parametrize(
    ("per_epoch", "batches", "step", "validation", "done"),
    [
        (4, 30, 1.0, 10.0, 0),  # short epochs, in which validating takes most of the time
        (100, 10, 1.0, 3.0, 0),
        (1, 5, 6.0, 2.0, 0),  # a step an epoch
        (100, 10, 1.0, 3.0, 7),  # seven epochs were trained before
    ],
)
def test_the_end_is_foretold(
    per_epoch: int,
    batches: int,
    step: float,
    validation: float,
    done: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirty epochs by a clock that moves as they would: right within a tenth."""
    now, said_at, epochs = [0.0], 0.0, 30
    monkeypatch.setattr(opening.time, "monotonic", lambda: now[0])
    module = MultiTaskModule.__new__(MultiTaskModule)
    module.__dict__["total_steps"] = epochs * per_epoch
    trainer: Any = SimpleNamespace(
        is_global_zero=True,
        max_epochs=epochs,
        num_training_batches=per_epoch,
        num_val_batches=[batches],
        current_epoch=done,
        fit_loop=SimpleNamespace(total_batch_idx=done * per_epoch - 1),
    )
    callback, out = ExpectedEnd(), ""
    for epoch in range(done, epochs):
        trainer.current_epoch = epoch
        for number in range(per_epoch):
            callback.on_train_batch_start(trainer, module, None, number)
            now[0] += step
            trainer.fit_loop.total_batch_idx += 1
            callback.on_train_batch_end(trainer, module, None, None, number)
            if not out:
                out, said_at = capsys.readouterr().out, now[0]
        callback.on_validation_start(trainer, module)
        now[0] += validation
        callback.on_validation_end(trainer, module)
    found = re.match(r"about (?:(\d+) h )?(?:(\d+) min)?(?: ?(\d+) s)? of training left", out)
    assert found is not None
    hours, minutes, seconds = (int(one or 0) for one in found.groups())
    assert 3600 * hours + 60 * minutes + seconds == pytest.approx(now[0] - said_at, rel=0.1)
