"""The command line's verbs about data sets: ``auxseg data check`` and ``auxseg data prepare``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from auxseg.config.parsing import add_options, to_config, verb_parser
from auxseg.errors import UsageError


def data(arguments: Sequence[str]) -> int:
    """check a data folder, or decode it into the cache (data check, data prepare)"""
    actions: dict[str, Callable[[Sequence[str]], int]] = {
        "check": data_check,
        "prepare": data_prepare,
    }
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: auxseg data check DIR · auxseg data prepare --data NAME --root DIR")
        print("Example: auxseg data check photos\n")
        for name, action in actions.items():
            print(f"  {name:8} {action.__doc__}")
        return 0
    if not arguments or arguments[0] not in actions:
        given = repr(arguments[0]) if arguments else "nothing"
        raise UsageError(f"auxseg data: got {given}; allowed are {', '.join(actions)}")
    return actions[arguments[0]](arguments[1:])


def data_check(arguments: Sequence[str]) -> int:
    """say what a data folder holds, and everything that is missing or broken in it"""
    from auxseg.data.checks import FILE_BASED, check_root

    parser = verb_parser("data check", data_check, "auxseg data check photos")
    parser.add_argument("root", type=str, help="the data set's folder")
    parser.add_argument(
        "--data.name",
        type=str | None,
        default=None,
        help=f"{', '.join(FILE_BASED)} (short: --data); found out by default",
    )
    parser.add_argument(
        "--data.ignore_index",
        "--ignore-index",
        type=int | None,
        default=None,
        help="mask value of pixels without a label (folder)",
    )
    parser.add_argument(
        "--data.options", type=dict[str, Any], default={}, help="the data set's own options"
    )
    parsed = parser.parse(arguments)
    options = dict(parsed.data.options)
    if parsed.data.ignore_index is not None:
        options["ignore_index"] = parsed.data.ignore_index
    report = check_root(Path(parsed.root), parsed.data.name, **options)
    for name, count in report.counts.items():
        print(f"{name}: {count}")
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    print(f"{len(report.problems)} problems" if report.problems else "no problems")
    return 1 if report.problems else 0


def data_prepare(arguments: Sequence[str]) -> int:
    """decode a data set into the cache, so that training starts at once"""
    from auxseg.assembly import CHOICES, open_data

    example = "auxseg data prepare --data oxford-pet --image-size 256"
    parser = verb_parser("data prepare", data_prepare, example)
    add_options(parser, CHOICES)
    parsed = parser.parse(arguments)
    # A system that learns without labels: else images without labels would not be decoded.
    parsed["tasks.names"] = ("segmentation", "denoising")
    opened = open_data(to_config("segnet-noisy", parsed, CHOICES))
    for message in opened.messages:
        print(message)
    parts = (f"{part} {len(getattr(opened.split, part))}" for part in ("train", "val", "test"))
    size = opened.arrays.images.shape[1]
    count = len(opened.arrays.images)
    print(f"{count} images at {size}×{size} ({', '.join(parts)}) in {opened.arrays.folder}")
    return 0
