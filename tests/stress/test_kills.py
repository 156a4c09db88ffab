"""Kills training at random moments, resumes it, and compares all it leaves bit by bit.

    make stress            # 50 kills
    make stress KILLS=6 PHOTOS=1000    # a short form

Every kill has a system, a signal and a moment of its own, drawn by its number. SIGKILL is what the
out-of-memory killer sends, SIGTERM what a cluster sends, SIGINT is Ctrl-C, and ``disk`` lets no
file grow beyond a random size, as a full disk does.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import load_file

from integration import runs

pytestmark = pytest.mark.stress

KILLS = int(os.environ.get("KILLS", "50"))

#: Twelve steps an epoch or so: a moment is nearly always within one.
SMALL = (
    *("--data.options", "{train: 60, val: 8, test: 8}", "--weights", "none"),
    *("--image-size", "32", "--accelerator", "cpu"),
)
EPOCHS = (*SMALL, "--width", "0.05", "--batch-size", "5", "--epochs", "4")
TEACHER = (
    *SMALL,
    *("--width", "0.1", "--labels", "12", "--steps", "26", "--training.validate_every", "7"),
    *("--tasks.options.consistency.threshold", "0.5"),
)
WORKERS = ("--data.num_workers", "2")

#: What can differ when a run goes on: what is remembered beside weights, and who loads the images.
SYSTEMS: dict[str, tuple[str, ...]] = {
    "plain": ("segnet-1task", *EPOCHS),
    "loader processes": ("segnet-3task", *EPOCHS, *WORKERS),
    "every 3 steps": ("segnet-3task", *EPOCHS, "--training.checkpoint_every", "3"),
    "every second": ("mtan-3task", *EPOCHS, *WORKERS, "--training.checkpoint_every", "1s"),
    "average": ("segnet-1task", *EPOCHS, *WORKERS, "--training.ema", "0.9"),
    "teacher": ("unet-semi", *TEACHER, "--training.checkpoint_every", "2"),
    "teacher, loader processes": ("unet-semi", *TEACHER, *WORKERS),
    "losses remembered": ("segnet-3task", *EPOCHS, "--balancer", "dwa"),
    "weights learned": ("segnet-3task", *EPOCHS, "--balancer", "uncertainty"),
    "looks back": ("cross-stitch-3task", *EPOCHS, "--balancer", "famo"),
    "random weights": ("progressive-3task", *EPOCHS, "--balancer", "random"),
    "gradients": ("mtan-3task", *EPOCHS, "--balancer", "pcgrad", "--training.conflict_every", "2"),
}
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "disk")


@dataclass
class Ended:
    """How a process ended, and after how many seconds."""

    status: int
    error: str
    seconds: float


def train(
    system: str, run: Path, *further: str, kill: str | None = None, after: float = 0.0
) -> Ended:
    """Trains in a process of its own.

    Args:
        kill: the signal it gets, or ``disk``.
        after: seconds until then; of a disk the bytes that a file may have.
    """

    def limits() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if kill == "disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(after), resource.RLIM_INFINITY))

    line = [sys.executable, "-m", "auxseg", "train", *SYSTEMS[system], "--out", str(run), *further]
    started = time.monotonic()
    with subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limits,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            _, error = process.communicate(timeout=after if kill in SIGNALS[:3] else 600)
        except subprocess.TimeoutExpired:
            assert kill is not None
            process.send_signal(getattr(signal, kill))
            _, error = process.communicate(timeout=60)
    return Ended(process.returncode, error, time.monotonic() - started)


@cache
def straight(system: str, folder: Path) -> tuple[Path, float]:
    """A run that nobody stopped, and how long it took."""
    run = folder / "straight" / system.replace(" ", "-")
    ended = train(system, run)
    assert ended.status == 0, ended.error
    return run, ended.seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stress")


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_ends_as_one_that_was_not(number: int, folder: Path) -> None:
    draw = random.Random(number)
    system = list(SYSTEMS)[number % len(SYSTEMS)]
    whole, seconds = straight(system, folder)
    largest = max(file.stat().st_size for file in whole.rglob("*") if file.is_file())
    run = folder / f"killed-{number}"
    resume: tuple[str, ...] = ()
    told = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        kill = draw.choice(SIGNALS)
        share = draw.uniform(0.3, 1.05)
        after = largest ** (share / 1.05) if kill == "disk" else share * seconds
        ended = train(system, run, *resume, kill=kill, after=after)
        told.append(f"{kill} at {after:.1f}, {ended.seconds:.1f} s: {ended.status}")
        assert "Traceback" not in ended.error, (told, ended.error)
        if kill == "SIGTERM":
            assert ended.status in (0, 75, -signal.SIGTERM), (told, ended.error)
        resume = ("--resume",)
    print(f"{number}: {system}: {'; '.join(told)}")
    ended = train(system, run, "--resume")
    assert ended.status == 0, (told, ended.error)
    rows, expected = runs.history(run), runs.history(whole)
    assert runs.without_seconds(rows) == runs.without_seconds(expected), told
    assert runs.metrics(run, "val") == runs.metrics(whole, "val"), told
    assert runs.identical(runs.best(run), runs.best(whole)), told
    assert runs.identical(runs.last(run), runs.last(whole)), told
    assert (run / "steps.csv").read_bytes() == (whole / "steps.csv").read_bytes(), told


@pytest.mark.parametrize("verb", ["train", "reproduce", "study"])
def test_two_at_once_on_one_folder(verb: str, tmp_path: Path) -> None:
    """One of them is refused in a line, and the other ends as if it had been alone."""
    lines = {
        "train": ("train", *SYSTEMS["plain"]),
        "reproduce": ("reproduce", "--presets", "segnet-1task,segnet-3task", *EPOCHS),
        "study": ("study", "--auxiliary", "classification", "--seeds", "2", *EPOCHS),
    }
    line = [sys.executable, "-m", "auxseg", *lines[verb], "--out", str(tmp_path / "out")]
    both = [
        subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=600)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], errors
    (refused,) = (
        error for process, error in zip(both, errors, strict=True) if process.returncode == 2
    )
    assert "another process is writing into it" in refused or "is not empty" in refused
    alone = [*line[:-1], str(tmp_path / "alone")]
    subprocess.run(alone, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = sorted((tmp_path / "alone").rglob("*.safetensors"))
    assert found
    for weights in found:
        other = tmp_path / "out" / weights.relative_to(tmp_path / "alone")
        assert runs.identical(load_file(weights), load_file(other))
