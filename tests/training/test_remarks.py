"""When a task's remarks are printed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Remarks
from auxseg.training.module import MultiTaskModule
from auxseg.training.remarks import TellRemarks

BAD, GOOD = Remarks("finds one class", "lacks a class"), Remarks()


def validate(told: TellRemarks, epochs: list[Remarks], first: int = 1, rank: int = 0) -> None:
    """Lets epochs pass, each of which ends with these remarks of one task."""
    for epoch, remarks in enumerate(epochs, start=first):
        trainer: Any = SimpleNamespace(current_epoch=epoch - 1, is_global_zero=rank == 0)
        told.on_validation_end(trainer, Mock(spec=MultiTaskModule, remarks={"task": remarks}))


def end(told: TellRemarks, rank: int = 0) -> None:
    trainer: Any = SimpleNamespace(is_global_zero=rank == 0)
    told.on_train_end(trainer, Mock(spec=MultiTaskModule))


def run_with_best(epoch: int) -> Any:
    return Mock(spec=RunDirectory, best_metrics=lambda: (epoch, {}))


@pytest.mark.parametrize(
    ("epochs", "said_at"),
    [
        ([BAD], []),
        ([BAD, GOOD, GOOD], []),
        ([BAD, BAD, BAD, BAD], [2]),
        ([GOOD, GOOD, BAD, BAD, BAD], [4]),
        ([BAD, BAD, GOOD, BAD, BAD, BAD], [2, 5]),
        ([BAD, BAD, GOOD, BAD, GOOD, BAD], [2]),
    ],
)
def test_a_remark_is_said_once_while_it_lasts(
    epochs: list[Remarks], said_at: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    validate(TellRemarks(run_with_best(1)), epochs)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.splitlines() == [
        f"warning: epoch {epoch}: task finds one class" for epoch in said_at
    ]


@pytest.mark.parametrize(("best", "said"), [(1, True), (2, False)])
def test_the_end_tells_of_the_best_epoch(
    best: int, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    told = TellRemarks(run_with_best(best))
    validate(told, [BAD, GOOD, BAD])
    end(told)
    assert ("lacks a class" in capsys.readouterr().err) == said


def test_a_resumed_run_remembers_what_was_said_and_what_is_to_be_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = (TellRemarks(run_with_best(1)) for _ in range(2))
    validate(first, [BAD, BAD])
    capsys.readouterr()
    second.load_state_dict(first.state_dict())
    validate(second, [BAD], first=3)
    assert capsys.readouterr().err == ""
    end(second)
    assert "best epoch 1: task lacks a class" in capsys.readouterr().err


def test_one_process_speaks_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    told = TellRemarks(run_with_best(1))
    validate(told, [BAD, BAD], rank=1)
    end(told, rank=1)
    assert capsys.readouterr().err == ""


def test_without_validation_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    end(TellRemarks(Mock(spec=RunDirectory, best_metrics=Mock(side_effect=AssertionError))))
    assert capsys.readouterr().err == ""
