"""``auxseg reproduce``: the paper's Table 1 with our figures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from auxseg.cli.show import split_names
from auxseg.config import Config
from auxseg.config.parsing import Parser, add_options, to_config, verb_parser
from auxseg.config.presets import PAPER, preset
from auxseg.errors import UsageError

#: Systems that `reproduce` trains with equal task weights, too, where they are among its presets.
EQUAL_BY_DEFAULT = ["mtan-3task"]
#: Options that make a preset what it is: `reproduce` takes no others for them.
SET_BY_PRESET = ("model.architecture", "model.pretrained", "tasks.names")


def reproduce(arguments: Sequence[str]) -> int:
    """train and test the paper's nine systems; write its Table 1 with our figures, and a report"""
    from auxseg.assembly import CHOICES
    from auxseg.experiments import reproduce as table

    parser = _reproduce_parser()
    add_options(parser, CHOICES, hidden=SET_BY_PRESET)
    parser.set_defaults({"data.name": "shapes"})
    if parser.parse(arguments).data.name == "shapes":
        parser.set_defaults(table.DEMONSTRATION)
    parsed = parser.parse(arguments)
    for name, value in (("seeds", parsed.seeds), ("jobs", parsed.jobs)):
        if value is not None and value < 1:
            raise UsageError(f"--{name}: {value} is too small, the least allowed is 1")
    names = split_names("--presets", parsed.presets)
    _check_tasks(parsed, names)
    configs = {name: _preset_config(name, parser, arguments) for name in names}
    equal = split_names("--equal", parsed.equal) if parsed.equal else EQUAL_BY_DEFAULT
    both = [table.with_equal_weights(configs[name]) for name in equal if name in configs]
    if parsed.equal not in (None, "none") and len(both) < len(equal):
        raise UsageError(f"--equal: {parsed.equal} names a system that is not in --presets")
    if parsed.training.balancer != "fixed" or parsed.equal == "none":
        both = []
    failures = table.reproduce(
        [*configs.values(), *both], Path(parsed.out), seeds=parsed.seeds, jobs=parsed.jobs
    )
    for failure in failures:
        print(f"auxseg: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _reproduce_parser() -> Parser:
    example = "auxseg reproduce --data shapes --presets segnet-1task,mtan-3task --out runs/table1"
    parser = verb_parser("reproduce", reproduce, example)
    parser.add_argument(
        "--out", type=str, required=True, help="the folder for runs, tables and report"
    )
    parser.add_argument(
        "--presets",
        type=str,
        default=",".join(PAPER),
        help="systems, as A,B; by default the nine of the paper's Table 1",
    )
    parser.add_argument(
        "--equal",
        type=str | None,
        default=None,
        help="systems to train once more with equal task weights, as A,B, or none; "
        "by default mtan-3task, where it is among the presets (the paper's Fig. 3a)",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, help="runs of each system, seeds counting up"
    )
    parser.add_argument("--jobs", type=int | None, default=None, help="systems trained at once")
    return parser


def _preset_config(name: str, parser: Parser, arguments: Sequence[str]) -> Config:
    """The configuration of one of several presets that share a command line."""
    from auxseg.assembly import CHOICES

    own = preset(name).defaults()
    # What the command line may say as well lies below it; what it may not is set at the end.
    parser.set_defaults({key: value for key, value in own.items() if key not in SET_BY_PRESET})
    parsed = parser.parse(arguments)
    for key in SET_BY_PRESET:
        parsed[key] = own[key]
    # The command line speaks to all presets: each takes what concerns its own tasks.
    for key in ("tasks.weights", "tasks.options"):
        given = dict(parsed[key] or {})
        parsed[key] = {task: value for task, value in given.items() if task in own["tasks.names"]}
    return to_config(name, parsed, CHOICES)


def _check_tasks(parsed: Namespace, names: Sequence[str]) -> None:
    """Raises :class:`UsageError` for options of a task that none of the presets has."""
    known = {task for name in names for task in preset(name).tasks}
    for task in (*(parsed.tasks.weights or {}), *(parsed.tasks.options or {})):
        if task not in known:
            raise UsageError(
                f"tasks: {task!r} is a task of none of the presets; theirs are "
                f"{', '.join(sorted(known))}"
            )
