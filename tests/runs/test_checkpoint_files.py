"""Weights and checkpoints: what was written is what is read, and damage is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auxseg.errors import DataError, UsageError
from auxseg.runs.checkpoint import is_whole, write_checkpoint
from auxseg.runs.files import replacing
from auxseg.runs.lock import is_empty, locked
from auxseg.runs.weights import read_metadata, read_weights, write_weights

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(7)}


def test_weights_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    write_weights(path, WEIGHTS, {"epoch": "3"})
    found = read_weights(path)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    assert read_metadata(path)["epoch"] == "3"


def test_a_changed_bit_of_the_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    write_weights(path, WEIGHTS)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"best\.safetensors: is damaged"):
        read_weights(path)


@pytest.mark.parametrize("keep", [0, 5, 60, 150])
def test_torn_weights_are_told(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    write_weights(path, WEIGHTS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="is damaged"):
        read_weights(path)


def test_weights_of_before_there_were_checksums(tmp_path: Path) -> None:
    save_file({"b": WEIGHTS["b"]}, tmp_path / "old.safetensors", {"epoch": "1"})
    assert read_weights(tmp_path / "old.safetensors")["b"] == 7


def test_one_checkpoint_is_whole_at_any_moment(tmp_path: Path) -> None:
    last, before = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    for number in range(3):
        write_checkpoint(last, {"step": number}, before)
    assert [torch.load(path)["step"] for path in (last, before)] == [2, 1]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_damage_in_a_checkpoint_is_seen(place: float, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, {"weights": torch.randn(1000)}, tmp_path / "previous.ckpt")
    assert is_whole(path)
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + 300] = bytes(b ^ 255 for b in content[start : start + 300])
    path.write_bytes(content)
    assert not is_whole(path)


def test_files_have_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        write_weights(tmp_path / "a", WEIGHTS)
        write_checkpoint(tmp_path / "b", {}, tmp_path / "c")
        with replacing(tmp_path / "d") as temporary:
            temporary.write_text("text")
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in "abd"} == {0o664}


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        with (
            pytest.raises(UsageError, match="another process is writing into it"),
            locked(tmp_path / "run"),
        ):
            pass
        (tmp_path / "run" / "file").write_text("mine")
    assert (tmp_path / "run" / "file").is_file()
    with locked(tmp_path / "run"):
        pass


def test_a_folder_into_which_nothing_came_goes_again(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "run"):
        assert is_empty(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from auxseg.runs.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError), locked(tmp_path / "run"):
            pass
        holder.kill()
    with locked(tmp_path / "run"):
        pass


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, time; from auxseg.processes import end_with\n"
        "end_with(os.getppid()); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', sys.argv[1]]).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, child], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        time.sleep(1)  # until the child watches
        process.kill()
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{number}/stat").exists():
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return
        time.sleep(0.1)
    pytest.fail("the child is still there")
