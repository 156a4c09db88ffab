"""The command line: one file per verb. Adding one is a file here and a line in :data:`VERBS`."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from auxseg.cli.bench import bench
from auxseg.cli.data import data
from auxseg.cli.evaluate import evaluate
from auxseg.cli.export import export
from auxseg.cli.fit import fit
from auxseg.cli.predict import predict
from auxseg.cli.presets import presets
from auxseg.cli.report import report
from auxseg.cli.reproduce import reproduce
from auxseg.cli.serve import serve
from auxseg.cli.study import study
from auxseg.cli.train import train
from auxseg.errors import AuxsegError, Preempted, UsageError

__all__ = ["VERBS", "main"]

VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    verb.__name__: verb
    for verb in (
        *(presets, data, fit, train, evaluate, predict, serve),
        *(report, reproduce, study, export, bench),
    )
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs a verb, exits with its status; 2 for a wrong usage, 1 for bad data."""
    given = [_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    _take_any_text()
    with _ends_tidily():
        status = _run(given)
    sys.exit(status)


def _run(given: list[str]) -> int:
    """Runs a verb; returns its exit status."""
    try:
        with _stop_unwrapped():
            status = _dispatch(given)
        if sys.stdout is not None:  # closed by the caller: `auxseg … >&-`
            sys.stdout.flush()
        return status
    except AuxsegError as error:
        print(f"auxseg: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"auxseg: stopped{_again(given[0])}", file=sys.stderr)
        return 130
    except Preempted as stop:
        print(f"auxseg: stopped by {stop}{_again(given[0])}", file=sys.stderr)
        return stop.exit_status
    except BrokenPipeError:
        # The reader went away (`auxseg … | head`): nothing more to say, and nowhere to say it.
        _drop_output()
        return 128 + signal.SIGPIPE  # as a shell reports it: not all was done
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        print("auxseg: standard output: cannot be written (no space left)", file=sys.stderr)
        return 1


@contextmanager
def _stop_unwrapped() -> Iterator[None]:
    """Raises a stop that another error hides.

    What a signal raises while a module is imported, Python 3.11 may wrap: in a RuntimeError where a
    class is being made. Packages wrap such errors, too.
    """
    try:
        yield
    except AuxsegError:
        raise
    except Exception as error:
        behind: BaseException | None = error
        while behind is not None:
            if isinstance(behind, (Preempted, KeyboardInterrupt)):
                raise behind from None
            behind = behind.__cause__ or behind.__context__
        raise


def _drop_output() -> None:
    """What is still to be printed goes nowhere: else Python complains once more in the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ends_tidily() -> Iterator[None]:
    """SIGTERM ends a verb as Ctrl-C does: what is half written is put away."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Preempted(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _home(word: str) -> str:
    """A word with ``~/`` replaced by the home directory, also behind ``=``, where no shell does."""
    found = re.fullmatch(r"(--[\w.-]+=)?(~/.*)", word, re.DOTALL)
    return word if found is None else (found[1] or "") + os.path.expanduser(found[2])


def _take_any_text() -> None:
    """Prints file names that the terminal's encoding lacks as escapes, as stderr does anyway."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _again(verb: str) -> str:
    """How to go on with a verb that was stopped."""
    again = "; rerun the same command to resume"
    return {"train": "; rerun with --resume", "fit": again, "reproduce": again, "study": again}.get(
        verb, ""
    )


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if given[0] == "--version":
        from importlib.metadata import version

        print(f"auxseg {version('auxseg')}")
        return 0
    if given[0] not in VERBS:
        raise UsageError(f"unknown verb {given[0]!r}; allowed are {', '.join(VERBS)}")
    return VERBS[given[0]](given[1:])


def _overview() -> str:
    lines = ["usage: auxseg VERB …   (auxseg VERB --help says more, with an example)", ""]
    lines += [f"  {name:10} {verb.__doc__}" for name, verb in VERBS.items()]
    return "\n".join(lines)
