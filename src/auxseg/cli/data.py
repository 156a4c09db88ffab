"""The command line's verbs about data sets: ``auxseg data check``, ``convert``, and others."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from auxseg.cli.data_convert import data_convert
from auxseg.cli.data_init import data_init
from auxseg.config.command_line import verb_parser
from auxseg.config.parsing import overlay, to_config
from auxseg.errors import DataError, UsageError

#: Options of `data check`: how the folder is read.
OF_CHECK = ("data.ignore_index", "data.options", "data.split", "data.split_seed")
#: Options of `data prepare`: what is decoded, at which size and how it is split. Other options of
#: the data choose among decoded images when something is trained.
OF_PREPARE = (
    *("data.name", "data.root", "data.split", "data.split_seed", "data.image_size"),
    *("data.fit", "data.scale"),
    *("data.unlabelled", "data.ignore_index", "data.cache_dir", "data.cache_limit"),
    "data.options",
)


def data(arguments: Sequence[str]) -> int:
    """check, convert or describe a data folder (data check, convert, init, …)"""
    actions: dict[str, Callable[[Sequence[str]], int]] = {
        "check": data_check,
        "convert": data_convert,
        "init": data_init,
        "prepare": data_prepare,
        "cache": data_cache,
    }
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: auxseg data check DIR · auxseg data convert SOURCE --out DIR · …")
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
    parser.add_argument("root", help="the data set's folder")
    kinds = ", ".join(FILE_BASED)
    parser.add_argument("--data", "--data.name", help=f"{kinds}; found out by default")
    parser.add_argument(
        "--html", help="also write a page with tables and photos to look at into this file"
    )
    parser.add_options({}, only=OF_CHECK)
    parsed = parser.parse(arguments)
    given = overlay({"data.options": {}}, parser.layer(parsed))
    options = dict(given["data.options"])
    if "data.ignore_index" in given:
        options["ignore_index"] = given["data.ignore_index"]
    page = None if parsed.html is None else Path(parsed.html).expanduser()
    if page is not None and page.is_dir():
        raise DataError(f"{page}: is a folder; name a file, such as {page / 'check.html'}")
    report = check_root(
        Path(parsed.root),
        parsed.data,
        split=given.get("data.split"),
        split_seed=given.get("data.split_seed", 0),
        details=page is not None,
        **options,
    )
    for name, count in report.counts.items():
        print(f"{name}: {count}")
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    print(f"{len(report.problems)} problems" if report.problems else "no problems")
    if page is not None:
        from auxseg.report.dataset.page import write_dataset_page

        write_dataset_page(page, report, f"the data of {Path(parsed.root).absolute().name}")
        print(f"written: {page}")
    if not report.problems:
        print(f"next: auxseg fit {_fit_line(Path(parsed.root), parsed.data, given)}")
    return 1 if report.problems else 0


def _fit_line(root: Path, data: str | None, given: Mapping[str, Any]) -> str:
    """What follows ``auxseg fit`` to train on a folder as it was checked."""
    words = [str(root)]
    for flag, value in (
        ("--data", data),
        ("--split", given.get("data.split")),
        ("--data.split_seed", given.get("data.split_seed")),
    ):
        if value is not None:
            words += [flag, str(value)]
    if "data.ignore_index" in given:
        words += ["--ignore-index", str(given["data.ignore_index"])]
    if given["data.options"]:
        words += ["--data.options", json.dumps(given["data.options"])]
    out = Path("runs") / root.resolve().name
    return shlex.join([*words, "--minutes", "10", "--out", str(out)])


def data_prepare(arguments: Sequence[str]) -> int:
    """decode a data set into the cache, so that training starts at once"""
    from auxseg.assembly import CHOICES, open_data

    example = "auxseg data prepare --data oxford-pet --image-size 256"
    parser = verb_parser("data prepare", data_prepare, example)
    parser.add_options(CHOICES, only=OF_PREPARE)
    layer = parser.layer(parser.parse(arguments))
    # A system that learns without labels: else images without labels would not be decoded.
    layer |= {"tasks.names": ("segmentation", "denoising")}
    opened = open_data(to_config("prepare", [layer], CHOICES))
    for message in opened.messages:
        print(message)
    parts = (f"{part} {len(getattr(opened.split, part))}" for part in ("train", "val", "test"))
    count, fit = len(opened.arrays.images), opened.fit.text
    print(f"{count} images at {fit} ({', '.join(parts)}) in {opened.arrays.folder}")
    return 0


def data_cache(arguments: Sequence[str]) -> int:
    """list the caches of decoded images, or remove old ones"""
    from auxseg.data.stored import cache_root, prune, stored, written_datasets

    parser = verb_parser("data cache", data_cache, "auxseg data cache --prune --older-than 7")
    parser.add_argument(
        "--prune", action="store_true", help="remove caches that were not used for long"
    )
    parser.add_argument(
        "--older-than",
        type=float,
        default=30.0,
        minimum=0,
        needs="--prune",
        help="for how many days they were not used",
    )
    parser.add_argument("--cache-dir", help="where caches are kept; $AUXSEG_CACHE by default")
    parsed = parser.parse(arguments)
    place = Path(parsed.cache_dir) if parsed.cache_dir else None
    found = prune(parsed.older_than, place) if parsed.prune else stored(place)
    for one in found:
        print(
            f"{one.name}: {one.count} images at {one.fit}, {one.bytes / 1e9:.2f} GB, "
            f"last used {one.days:.0f} days ago, {one.folder}"
        )
    what = "removed" if parsed.prune else f"in {cache_root(place)}"
    print(f"{len(found)} caches, {sum(one.bytes for one in found) / 1e9:.2f} GB {what}")
    where, count, size = written_datasets(place)
    if count:
        print(
            f"datasets of PyTorch as folders: {count}, {size / 1e6:.0f} MB in {where}; their runs "
            "read them, so they are not removed here"
        )
    return 0
