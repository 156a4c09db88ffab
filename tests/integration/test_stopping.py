"""A stop that another error hides is a stop all the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from auxseg import cli
from auxseg.errors import Preempted

from .command import auxseg


class Interrupted:
    """What a signal may meet while a module is imported: a class that is being made."""

    def __init__(self, stop: BaseException) -> None:
        self.stop = stop

    def __set_name__(self, owner: type, name: str) -> None:
        raise self.stop


@pytest.mark.parametrize(
    ("stop", "status", "said"),
    [
        (Preempted("SIGTERM"), 75, "stopped by SIGTERM; rerun with --resume"),
        (KeyboardInterrupt(), 130, "stopped; rerun with --resume"),
    ],
)
def test_while_a_class_is_being_made(
    stop: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(arguments: Sequence[str]) -> int:
        try:
            type("Late", (), {"field": Interrupted(stop)})  # Python 3.11 makes it a RuntimeError
        except RuntimeError as error:
            raise ImportError("a package that cannot be imported") from error
        return 0

    monkeypatch.setitem(cli.VERBS, "train", train)
    assert auxseg("train").failed(status) == f"auxseg: {said}"


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(arguments: Sequence[str]) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setitem(cli.VERBS, "train", train)
    with pytest.raises(RuntimeError, match="a fault"):
        cli.main(["train"])
