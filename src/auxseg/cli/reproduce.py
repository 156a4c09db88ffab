"""``auxseg reproduce``: the paper's Table 1 with our figures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auxseg.config import Config, dotted
from auxseg.config.command_line import Parser, verb_parser
from auxseg.config.effects import active
from auxseg.config.parsing import overlay, to_config
from auxseg.config.presets import PAPER, preset
from auxseg.errors import UsageError

#: Systems that `reproduce` trains with equal task weights, too, where they are among its presets.
EQUAL_BY_DEFAULT = ("mtan-3task",)
#: What `--equal` takes for no system at all.
NO_SYSTEM = "none"
#: Options that make a preset what it is: `reproduce` takes no others for them.
SET_BY_PRESET = ("model.architecture", "model.pretrained", "tasks.names")
#: Options of tasks: each preset takes what concerns its own.
BY_TASK = ("tasks.weights", "tasks.options")


def reproduce(arguments: Sequence[str]) -> int:
    """train and test the paper's nine systems; write its Table 1 with our figures, and a report"""
    from auxseg.assembly import CHOICES
    from auxseg.experiments import reproduce as table

    parser = _parser()
    parser.add_options(CHOICES, hidden=SET_BY_PRESET)
    parsed = parser.parse(arguments)
    given = parser.layer(parsed)
    shapes = given.get("data.name", "shapes") == "shapes"
    layers = [table.DEMONSTRATION if shapes else {}, given]
    _check_tasks(given, parsed.presets)
    configs = _configs(parsed.presets, layers)
    both = [table.with_equal_weights(configs[name]) for name in _equal(parsed, configs)]
    failures = table.reproduce(
        [*configs.values(), *both], Path(parsed.out), seeds=parsed.seeds, jobs=parsed.jobs
    )
    if shapes and len(failures) < len(configs) + len(both):
        print(f"\n{_ABOUT_DRAWINGS}")
    for failure in failures:
        print(f"auxseg: {failure}", file=sys.stderr)
    return 1 if failures else 0


#: What the table of drawings shows, what it cannot show, and what to do next.
_ABOUT_DRAWINGS = """\
The table shows that every system trains, learns its tasks and is measured as in the paper.
It cannot show which tasks help: these are drawings, the networks narrow and the seeds few.
Differences of a few hundredths are chance; photos, seeds and a study decide.
next: auxseg study --help      which tasks help on your photos, with intervals
      auxseg fit --help        from a folder of photos to a model, in the minutes you give"""


def _parser() -> Parser:
    example = "auxseg reproduce --data shapes --presets segnet-1task,mtan-3task --out runs/table1"
    parser = verb_parser("reproduce", reproduce, example)
    add = parser.add_argument
    add("--out", required=True, help="the folder for runs, tables and report")
    add(
        "--presets",
        type=tuple[str, ...],
        default=PAPER,
        help="the systems, comma-separated; by default the nine of the paper's Table 1",
    )
    add(
        "--equal",
        type=tuple[str, ...],
        help="systems to train once more with equal task weights, comma-separated, or none; "
        "by default mtan-3task, where it is among the presets (the paper's Fig. 3a)",
    )
    add("--seeds", type=int, default=1, minimum=1, help="runs of each system, seeds counting up")
    add("--jobs", type=int | None, minimum=1, help="systems to train at a time")
    return parser


def _configs(names: Sequence[str], layers: Sequence[Mapping[str, Any]]) -> dict[str, Config]:
    """The configurations of several presets that share a command line.

    Each takes what has an effect on it: a preset that starts from random weights takes none.

    Args:
        layers: the options that all share; the last layer is what the user gave.

    Raises:
        UsageError: an option has an effect on none of them.
    """
    from auxseg.assembly import CHOICES

    values = {name: dotted(_config(name, layers)) for name in names}
    taken = {name: active(values[name]) for name in names}
    for key in layers[-1]:
        if not any(key in taken[name] for name in names):
            raise UsageError(f"{key}: has no effect on any of the presets {', '.join(names)}")
    return {name: to_config(name, [taken[name]], CHOICES) for name in names}


def _config(name: str, layers: Sequence[Mapping[str, Any]]) -> Config:
    """One preset's configuration, with what the command line says about its tasks."""
    from auxseg.assembly import CHOICES

    own = preset(name).defaults()
    values = overlay({key: {} for key in BY_TASK}, own, *layers)
    for key in BY_TASK:
        values[key] = {task: one for task, one in values[key].items() if task in own["tasks.names"]}
    return to_config(name, [values], CHOICES, effects=False)


def _equal(parsed: Any, configs: Mapping[str, Config]) -> list[str]:
    """The systems to train with equal weights, too."""
    fixed = all(config.training.balancer == "fixed" for config in configs.values())
    if parsed.equal is None:
        return [name for name in EQUAL_BY_DEFAULT if name in configs and fixed]
    if parsed.equal == (NO_SYSTEM,):
        return []
    if not fixed:
        raise UsageError("--equal: has no effect with --balancer")
    for name in parsed.equal:
        if name not in configs:
            raise UsageError(f"--equal: {name} is not among --presets")
    return list(parsed.equal)


def _check_tasks(given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises :class:`UsageError` for options of a task that none of the presets has."""
    known = {task for name in names for task in preset(name).tasks}
    for task in (task for key in BY_TASK for task in given.get(key, {})):
        if task not in known:
            raise UsageError(
                f"tasks: {task!r} is a task of none of the presets; theirs are "
                f"{', '.join(sorted(known))}"
            )
