"""Many jobs: what fails, what goes on, what is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from auxseg.errors import DataError, UsageError
from auxseg.experiments.launchers import Cluster, Processes, one_by_one, run_all


def work(item: str) -> str:
    """Does as it is told; must be found by other processes."""
    if item == "bad":
        raise DataError("bad.png: is broken")
    if item == "fault":
        raise ValueError("a bug")
    if item == "die":
        os._exit(9)
    return f"{item} by {os.getpid()}"


def test_one_that_fails_takes_no_other_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    failures = run_all(work, {"a": "good", "b": "bad", "c": "good"}, one_by_one)
    assert failures == {"b": "bad.png: is broken"}
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out] == ["[1/3] a", "[2/3] b", "[3/3] c"]
    assert out[1].endswith("failed: bad.png: is broken")


def test_a_fault_of_the_program_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all(work, {"a": "fault"}, one_by_one) == {"a": "ValueError: a bug"}
    assert "Traceback" in capsys.readouterr().err


def test_processes_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    failures = run_all(work, {"a": "good", "b": "die", "c": "good"}, Processes(2))
    assert list(failures) == ["b"]
    assert "its process died" in failures["b"]
    out = capsys.readouterr().out
    numbers = {line.split(" by ")[1] for line in out.splitlines() if " by " in line}
    assert len(numbers) == 2
    assert str(os.getpid()) not in numbers


def test_an_unknown_cluster_is_told(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(UsageError, match="--cluster moon"):
        list(Cluster("moon", tmp_path)(work, {"a": "good"}))


def test_an_unknown_parameter_of_the_cluster_is_told(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(UsageError, match="rockets"):
        list(Cluster("local", tmp_path, {"rockets": 1})(work, {"a": "good"}))


@pytest.mark.thorough
def test_a_job_that_fails_on_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where jobs find work()
    failures = run_all(work, {"a": "good", "b": "bad"}, Cluster("local", tmp_path / "logs"))
    assert list(failures) == ["b"]
    assert "bad.png: is broken" in failures["b"]
    assert "a: good by" in capsys.readouterr().out
