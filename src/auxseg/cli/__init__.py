"""The command line: one file per verb. Adding one is a file here and a line in :data:`VERBS`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from auxseg.cli.bench import bench
from auxseg.cli.data import data
from auxseg.cli.evaluate import evaluate
from auxseg.cli.export import export
from auxseg.cli.predict import predict
from auxseg.cli.presets import presets
from auxseg.cli.report import report
from auxseg.cli.reproduce import reproduce
from auxseg.cli.study import study
from auxseg.cli.train import train
from auxseg.errors import AuxsegError, UsageError

__all__ = ["VERBS", "main"]

VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    verb.__name__: verb
    for verb in (presets, train, evaluate, predict, report, reproduce, study, data, export, bench)
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: runs a verb, exits with its status; 2 for a wrong usage, 1 for bad data."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(given)
        sys.stdout.flush()
    except AuxsegError as error:
        print(f"auxseg: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        again = "; rerun the same command to resume"
        further = {"train": "; rerun with --resume", "reproduce": again, "study": again}
        print(f"auxseg: stopped{further.get(given[0], '')}", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader went away (`auxseg … | head`): nothing more to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


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
