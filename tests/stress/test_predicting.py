"""Predicts many small photos, is killed again and again, and ends with exactly the right masks.

PHOTOS=20000 is what `make stress` takes; the processes' memory is read while they run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from integration.command import TINY, auxseg

pytestmark = pytest.mark.stress

PHOTOS = int(os.environ.get("PHOTOS", "20000"))
#: Seconds from the first mask to a kill; few photos do not take that long.
KILL_AFTER = (5.0, 20.0) if PHOTOS >= 10_000 else (0.2, 2.0)
#: So many different ones there are; the others have a name of their own for the same bytes.
DIFFERENT = 50


def resident(process: int) -> float:
    """MiB of memory that a process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("predicting") / "run"
    auxseg("train", "segnet-1task", *TINY, "--epochs", "2", "--out", run).succeeded()
    return run


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    for number in range(PHOTOS):
        path = folder / f"{number:06}.png"
        if number < DIFFERENT:
            draw = np.random.default_rng(number)
            pixels = draw.integers(0, 256, (20 + number, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        else:
            os.link(folder / f"{number % DIFFERENT:06}.png", path)
    return folder


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory is read from /proc")
def test_killed_again_and_again(trained: Path, album: Path, tmp_path: Path) -> None:
    expected = tmp_path / "expected"
    few = [album / f"{number:06}.png" for number in range(DIFFERENT)]
    auxseg("predict", trained, *few, "--out", expected).succeeded()
    out, draw, kills, peaks = tmp_path / "out", random.Random(0), 0, []
    line = [sys.executable, "-m", "auxseg", "predict", str(trained), str(album), "--out", str(out)]
    started = time.monotonic()
    while True:
        with subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            there = len(list(out.glob("*_mask.png"))) if out.is_dir() else 0
            memory = []
            deadline = None
            while process.poll() is None:
                time.sleep(0.1)
                if deadline is None:
                    now = len(list(out.glob("*_mask.png"))) if out.is_dir() else 0
                    if now > there:
                        deadline = time.monotonic() + draw.uniform(*KILL_AFTER)
                        memory.append(resident(process.pid))
                elif time.monotonic() > deadline:
                    memory.append(resident(process.pid))
                    process.kill()
                    break
            error = process.stderr.read() if process.stderr is not None else ""
            if len(memory) == 2:
                peaks.append(memory[1] - memory[0])
        if process.returncode == 0:
            break
        assert process.returncode == -9, error
        kills += 1
    print(
        f"{PHOTOS} photos, {kills} kills, {time.monotonic() - started:.0f} s; resident memory "
        f"grew by {max(peaks, default=0):.0f} MiB at most between the first mask and a kill"
    )
    entries = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    assert [entry["image"] for entry in entries] == sorted(path.name for path in album.iterdir())
    masks = {path.name for path in out.glob("*_mask.png")}
    assert masks == {f"{number:06}_mask.png" for number in range(PHOTOS)}
    right = [(expected / f"{number:06}_mask.png").read_bytes() for number in range(DIFFERENT)]
    for number in range(PHOTOS):
        assert (out / f"{number:06}_mask.png").read_bytes() == right[number % DIFFERENT], number
    assert not list(out.glob(".*.tmp"))
    assert max(peaks, default=0) < 200
