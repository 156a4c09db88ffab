"""The tables of a run grow at their end, and a kill at any byte leaves whole rows."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxseg.errors import DataError
from auxseg.runs import files
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import append_rows, read_rows, write_rows

FIRST = [{"epoch": 1, "loss": "0.5"}, {"epoch": 1, "loss": ""}]
SECOND = [{"epoch": 2, "loss": "0.25"}]


def as_text(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{key: str(value) for key, value in row.items()} for row in rows]


def test_rows_are_added_below_one_header(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "steps.csv"
    append_rows(path, FIRST)
    append_rows(path, [])
    append_rows(path, SECOND)
    assert path.read_text(encoding="utf-8") == "epoch,loss\n1,0.5\n1,\n2,0.25\n"
    assert read_rows(path) == as_text([*FIRST, *SECOND])


def test_what_is_there_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "steps.csv"
    append_rows(path, FIRST)
    monkeypatch.setattr(files, "write_rows", None)
    monkeypatch.setattr(files, "read_rows", None)
    append_rows(path, SECOND)
    assert read_rows(path)[-1] == {"epoch": "2", "loss": "0.25"}


def test_no_rows_make_no_table(tmp_path: Path) -> None:
    append_rows(tmp_path / "steps.csv", [])
    assert read_rows(tmp_path / "steps.csv") == []
    assert not (tmp_path / "steps.csv").exists()


def test_a_further_column_is_added_to_all_rows(tmp_path: Path) -> None:
    """Such as the memory of a GPU, to which a run of a CPU moved."""
    path = tmp_path / "history.csv"
    append_rows(path, FIRST)
    append_rows(path, [{"epoch": 2, "memory": 7, "loss": "0.1"}])
    append_rows(path, [{"epoch": 3, "loss": "0.2"}])
    assert path.read_text(encoding="utf-8").splitlines() == [
        "epoch,loss,memory", "1,0.5,", "1,,", "2,0.1,7", "3,0.2,",
    ]  # fmt: skip


def test_a_table_cut_at_any_byte_has_whole_rows_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    append_rows(path, [*FIRST, *SECOND])
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        whole = max(0, content[:length].count(b"\n") - 1)
        expected = as_text([*FIRST, *SECOND][:whole])
        assert read_rows(path) == expected
        append_rows(path, [{"epoch": 9, "loss": "9"}])
        assert read_rows(path) == [*expected, {"epoch": "9", "loss": "9"}]


def test_a_name_that_is_no_text_comes_back_as_it_was(tmp_path: Path) -> None:
    """A file name on Linux may hold any byte."""
    name = b"caf\xe9, old\nphoto.jpg".decode("utf-8", "surrogateescape")
    path = tmp_path / "images-test.csv"
    write_rows(path, [{"image": name, "iou": 1}])
    assert read_rows(path) == [{"image": name, "iou": "1"}]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.csv"
    append_rows(path, FIRST)
    open_ = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "a" in mode:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open_(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=r"history\.csv: cannot be written \(No space left"):
        append_rows(path, SECOND)


# -- the run directory -------------------------------------------------------------------------


def noted(run: RunDirectory, epoch: int, images: tuple[int, ...] = (4, 5)) -> None:
    run.append_steps([{"epoch": epoch, "step": 2 * epoch - 1}, {"epoch": epoch, "step": 2 * epoch}])
    run.append_history({"epoch": epoch})
    counts = np.full((len(images), 2), epoch, np.float32)
    run.append_validation(epoch, np.array(images), counts)


def test_what_is_past_an_epoch_is_dropped_and_written_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for epoch in (1, 2, 3):
        noted(run, epoch)
    with run.steps_file.open("a") as stream:
        stream.write("4,7")  # torn
    run.drop_after(1)
    assert [row["step"] for row in run.read_steps()] == ["1", "2"]
    for epoch in (2, 3):
        noted(run, epoch)
    assert [row["step"] for row in run.read_steps()] == [str(step) for step in range(1, 7)]
    assert [row["epoch"] for row in run.read_history()] == ["1", "2", "3"]
    validation = run.read_validation()
    assert validation is not None
    assert validation.epochs.tolist() == [1, 2, 3]
    assert validation.counts[:, 0, 0].tolist() == [1, 2, 3]


def test_dropping_all_epochs_starts_afresh(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.drop_after(0)
    assert not any(tmp_path.iterdir())
    noted(run, 1)
    run.drop_after(0)
    assert run.read_history() == run.read_steps() == []
    noted(run, 1)
    assert [row["epoch"] for row in run.read_history()] == ["1"]


def test_other_validation_images_start_the_record_anew(tmp_path: Path) -> None:
    """A photo that is gone, or one that has got a mask, while the run was stopped."""
    run = RunDirectory(tmp_path)
    noted(run, 1, (4, 5))
    noted(run, 2, (4, 5, 6))
    noted(run, 3, (4, 5, 6))
    validation = run.read_validation()
    assert validation is not None
    assert validation.epochs.tolist() == [2, 3]
    assert validation.images.tolist() == [4, 5, 6]
