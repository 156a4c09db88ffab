"""A full disk under TensorBoard's events is one line, and no thread's traceback."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from auxseg.errors import DataError
from auxseg.runs.events import writing_events


def failing(folder: Path, error: OSError, monkeypatch: pytest.MonkeyPatch) -> SummaryWriter:
    """A writer whose disk answers with an error."""

    def write(*arguments: object) -> None:
        raise error

    writer = "tensorboard.summary.writer.record_writer.RecordWriter.write"
    monkeypatch.setattr(writer, write)
    return SummaryWriter(str(folder))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk(
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hook = threading.excepthook
    error = OSError(number, "no room")

    def log() -> None:
        with writing_events(tmp_path), failing(tmp_path, error, monkeypatch) as events:
            for step in range(100):
                events.add_scalar("loss", 1.0, step)
            events.flush()

    with pytest.raises(DataError, match=r"events cannot be written \(no room\)") as caught:
        log()
    assert str(tmp_path) in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err
    assert threading.excepthook is hook


def test_other_errors_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))

    def fail() -> None:
        raise OSError(errno.ENOSPC, "elsewhere")

    def log() -> None:
        with writing_events(tmp_path):
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
            raise FileNotFoundError(errno.ENOENT, "gone")

    with pytest.raises(FileNotFoundError):
        log()
    assert told == ["[Errno 28] elsewhere"]
