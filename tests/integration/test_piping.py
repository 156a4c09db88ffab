"""Piped output is plain text of any width; help has an example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from auxseg.cli import VERBS

from .command import TINY, auxseg, process

#: A terminal's control sequences: colours, cursor movements, overwritten lines.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.mark.thorough
def test_training_through_a_pipe(tmp_path: Path) -> None:
    run = tmp_path / "a-run-directory-whose-name-alone-is-longer-than-the-terminal-is-wide"
    line = ("train", "segnet-1task", *TINY, "--epochs", "2", "--out", run)
    outcome = process(*line, COLUMNS="40", FORCE_COLOR="1", TERM="xterm-256color").succeeded()
    # So short a training finds one class, and says so.
    assert all(line.startswith("warning: ") for line in outcome.err.splitlines())
    assert not CONTROL.search(outcome.out + outcome.err)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("segnet-1task on cpu: 20 photos to train on (20 with a mask), ")
    assert re.fullmatch(
        r"epoch 1/2  train/loss [\d.]+  val/segmentation/iou [\d.]+  [\d.]+ s, \d+ s left", lines[1]
    )
    assert re.fullmatch(r"epoch 2/2 .* [\d.]+ s", lines[2])
    assert f"run directory: {run} " in lines[-2]
    assert lines[-1] == f"next: auxseg predict {run} PHOTOS --out predictions"
    table = [text for text in lines if text.startswith("|")]
    assert len({len(text) for text in table}) == 1
    assert len(table[0]) > 40


@pytest.mark.parametrize(
    "line", [("presets",), ("evaluate", "RUN"), ("--help",)], ids=lambda line: line[0]
)
def test_width_changes_nothing(
    line: tuple[str, ...], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(trained) if word == "RUN" else word for word in line]
    outputs = []
    for width in ("40", "400"):
        monkeypatch.setenv("COLUMNS", width)
        outputs.append(auxseg(*words).succeeded().out)
    assert outputs[0] == outputs[1]
    assert not CONTROL.search(outputs[0])


def test_the_overview_names_every_verb() -> None:
    assert auxseg().succeeded().out == auxseg("--help").succeeded().out
    lines = auxseg("--help").succeeded().out.splitlines()
    assert all(any(line.split()[:1] == [verb] for line in lines) for verb in VERBS)


@pytest.mark.parametrize(
    "verb",
    [(verb,) for verb in VERBS] + [("data", "check"), ("data", "prepare")],
    ids=" ".join,
)
def test_help_has_an_example(verb: tuple[str, ...]) -> None:
    outcome = auxseg(*verb, "--help").succeeded()
    assert outcome.err == ""
    assert f"Example: auxseg {' '.join(verb)}" in " ".join(outcome.out.split())


def test_help_of_training_lists_what_is_allowed() -> None:
    text = " ".join(auxseg("train", "--help").succeeded().out.split())
    for words in ("mtan-3task", "oxford-pet", "--image-size", "--resume", "classification"):
        assert words in text


def test_version() -> None:
    assert auxseg("--version").succeeded().out == f"auxseg {version('auxseg')}\n"


@pytest.mark.parametrize("line", [("--out=~/run",), ("--out", "~/run")], ids=["=", "apart"])
def test_a_tilde_is_the_home_directory_wherever_it_stands(
    line: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bash leaves it as it is behind an equals sign."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    auxseg("train", "segnet-1task", *TINY, "--epochs", "1", *line).succeeded()
    assert (tmp_path / "home" / "run" / "history.csv").is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.thorough
def test_names_that_the_terminal_cannot_show(trained: Path, tmp_path: Path) -> None:
    for name in ("照片", "😀", "plain"):
        Image.new("RGB", (9, 9), (9, 9, 200)).save(tmp_path / f"{name}.png")
    line = ("predict", trained, tmp_path, "--out", tmp_path / "out")
    outcome = process(*line, PYTHONIOENCODING="cp1252").succeeded()
    assert "3 of 3 images" in outcome.out
    assert (tmp_path / "out" / "照片_mask.png").is_file()


def test_output_that_goes_nowhere_is_no_success() -> None:
    """A reader that goes away, and a full disk behind ``>``."""
    line = [sys.executable, "-m", "auxseg", "--help"]  # the quickest thing that it says
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (141, "")
    command = " ".join(line)
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True)
    assert (full.returncode, full.stderr) == (
        1,
        "auxseg: standard output: cannot be written (no space left)\n",
    )
    closed = subprocess.run(["bash", "-c", f"{command} >&-"], capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
