"""Calls the real command line and keeps what it said; the smallest options that still train."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from auxseg.cli import main

#: A network and a data set so small that an epoch takes half a second.
TINY_MODEL = (
    *("--image-size", "32", "--width", "0.05", "--weights", "none"),
    *("--batch-size", "5", "--accelerator", "cpu"),
)
TINY = ("--data.options", "{train: 20, val: 8, test: 8}", *TINY_MODEL)


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left behind.

    Attributes:
        status: the exit status.
        out: all of stdout.
        err: all of stderr.
    """

    status: int
    out: str
    err: str

    def succeeded(self) -> Outcome:
        """Itself, if the exit status is 0."""
        assert self.status == 0, self.err
        return self

    def failed(self, status: int, *words: str) -> str:
        """The one line on stderr, beside warnings of training, if the call failed as it should.

        Args:
            status: the exit status that it should have.
            words: what the line has to name.
        """
        assert self.status == status, self.err or self.out
        assert self.err.endswith("\n")
        lines = [one for one in self.err.splitlines() if not one.startswith("warning: ")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("auxseg: ")
        for word in words:
            assert word in lines[0]
        return lines[0]


def auxseg(*arguments: str | Path) -> Outcome:
    """Calls the command line in this process, which saves five seconds of importing.

    An exception other than the program's own exit is what a user would see as a traceback: it
    fails the test.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return Outcome(caught.value.code, out.getvalue(), err.getvalue())


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Starts ``python -m auxseg`` with piped output."""
    return subprocess.Popen(
        [sys.executable, "-m", "auxseg", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # A shell's background job ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **environment},
    )


def process(*arguments: str | Path, seconds: float = 120, **environment: str) -> Outcome:
    """Runs ``python -m auxseg`` in a process of its own, as a user's shell does."""
    with start(*arguments, **environment) as running:
        try:
            out, err = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    return Outcome(running.returncode, out, err)
