"""Folders that appear whole."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from auxseg.data.building import appearing
from auxseg.data.problems import DataProblemsError
from auxseg.errors import DataError


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()  # empty ones may be there
    with appearing(folder) as building:
        (building / "file").touch()
        assert not list(folder.iterdir())
    assert [one.name for one in tmp_path.iterdir()] == ["out"]
    assert (folder / "file").exists()


def test_errors_name_the_folder_and_leave_nothing(tmp_path: Path) -> None:
    """Also those that take more than a text."""
    folder = tmp_path / "out"
    with (
        pytest.raises(DataProblemsError, match=f"^{folder}/labels.csv: twice") as caught,
        appearing(folder) as building,
    ):
        raise DataProblemsError([f"{building}/labels.csv: twice", "more"], Mock())
    assert len(caught.value.problems) == 2
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match=f"^{out}: cannot be written"), appearing(out):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
