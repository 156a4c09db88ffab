"""Two processes train one run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import runs
from .command import TINY, auxseg, process


@pytest.mark.slow
def test_two_processes_write_one_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-3task", *TINY, "--devices", "2", "--epochs", "2", "--out", run)
    outcome = process(*line).succeeded()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [row["epoch"] for row in runs.history(run)] == ["1", "2"]
    assert [line.split()[1] for line in outcome.out.splitlines() if line.startswith("epoch")] == [
        "1/2",
        "2/2",
    ]
    assert outcome.out.count("run directory:") == 1
    assert len(list(run.glob("*tfevents*"))) == 1
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    assert after["segmentation/iou"] == before["segmentation/iou"]


@pytest.mark.slow
def test_two_processes_share_an_average_and_its_lessons(tmp_path: Path) -> None:
    """What is kept is the average, with the first process's running statistics."""
    run = tmp_path / "run"
    options = ("--labels", "8", "--tasks.options.consistency.threshold", "0.5")
    line = ("train", "unet-semi", *TINY, *options, "--steps", "4", "--devices", "2", "--out", run)
    process(*line, "--training.validate_every", "2").succeeded()
    rows = runs.history(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["train/consistency/confident"]) == 1 for row in rows)
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    assert after["segmentation/iou"] == before["segmentation/iou"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def machine(number: int, port: int, *line: str | Path) -> subprocess.Popen[str]:
    """One of two machines, as torchrun knows it."""
    start = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nnodes",
        "2",
        "--nproc-per-node",
        "1",
    )
    place = ("--node-rank", str(number), "--master-addr", "127.0.0.1", "--master-port", str(port))
    return subprocess.Popen(
        [*start, *place, "-m", "auxseg", *map(str, line)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_two_machines_train_as_two_processes_do(tmp_path: Path) -> None:
    options = ("train", "segnet-3task", *TINY, "--epochs", "2", "--out")
    process(*options, tmp_path / "one", "--devices", "2").succeeded()
    port, line = free_port(), (*options, tmp_path / "two", "--training.nodes", "2")
    both = [machine(number, port, *line) for number in range(2)]
    said = [one.communicate(timeout=300) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert ["epoch 2/2" in out for out, _ in said] == [True, False]
    one, two = tmp_path / "one", tmp_path / "two"
    assert runs.without_seconds(runs.history(two)) == runs.without_seconds(runs.history(one))
    assert runs.identical(runs.last(two), runs.last(one))


@pytest.mark.slow
@pytest.mark.parametrize("dies", [0, 1])
def test_a_machine_that_dies_ends_the_others_with_a_message(dies: int, tmp_path: Path) -> None:
    port = free_port()
    run = tmp_path / "run"
    line = ("train", "segnet-3task", *TINY, "--epochs", "500", "--out", run)
    both = [machine(number, port, *line, "--training.nodes", "2") for number in range(2)]
    for _ in range(1200):
        if (run / "checkpoints" / "last.ckpt").is_file():
            break
        time.sleep(0.1)
    (trainer,) = subprocess.run(
        ["pgrep", "-P", str(both[dies].pid)], capture_output=True, text=True
    ).stdout.split()
    os.kill(int(trainer), signal.SIGKILL)
    both[dies].kill()
    _, err = both[1 - dies].communicate(timeout=120)
    both[dies].communicate(timeout=60)
    assert both[1 - dies].returncode != 0
    assert "another process of this training has ended" in err
    assert "--resume" in err


@pytest.mark.slow
def test_two_processes_stopped_and_resumed(tmp_path: Path) -> None:
    """By SIGTERM to the first of them, somewhere within an epoch."""
    line = ("train", "segnet-3task", *TINY, "--devices", "2", "--epochs", "4", "--out")
    process(*line, tmp_path / "straight").succeeded()
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-m", "auxseg", *map(str, (*line, run))], stderr=subprocess.PIPE, text=True
    ) as training:
        for _ in range(1200):
            if (run / "checkpoints" / "last.ckpt").is_file():
                break
            time.sleep(0.05)
        training.terminate()
        _, err = training.communicate(timeout=120)
    assert training.returncode == 75, err
    assert "rerun with --resume" in err
    process(*line, run, "--resume").succeeded()
    straight = tmp_path / "straight"
    assert runs.without_seconds(runs.history(run)) == runs.without_seconds(runs.history(straight))
    assert runs.identical(runs.last(run), runs.last(straight))
