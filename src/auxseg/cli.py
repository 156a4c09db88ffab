"""The command line: one function per verb."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from auxseg.errors import AuxsegError, UsageError
from auxseg.options import Parser, add_options, nested, to_config
from auxseg.presets import PRESETS, preset


def presets(arguments: Sequence[str]) -> int:
    """list the systems that can be trained"""
    _parser("presets", presets, "auxseg presets").parse(arguments)
    width = max(map(len, PRESETS))
    for name, system in PRESETS.items():
        weights = "pre-trained" if system.pretrained else "from scratch"
        paper = "" if system.in_paper else "  (not in the paper's Table 1)"
        tasks = " + ".join(system.tasks)
        print(f"{name:{width}}  {system.architecture:12}  {weights:12}  {tasks}{paper}")
    return 0


def train(arguments: Sequence[str]) -> int:
    """train one system into a run directory"""
    from auxseg.build import CHOICES
    from auxseg.training.fit import train as fit

    example = "auxseg train segnet-1task --data folder --root photos --out runs/photos"
    parser = _parser("train", train, example)
    parser.add_argument("preset", type=str, help=f"the system: {', '.join(PRESETS)}")
    parser.add_argument("--out", type=str, required=True, help="the run directory, new or empty")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out"
    )
    add_options(parser, CHOICES)
    system = preset(parser.parse(arguments).preset)
    # Once more, now that the preset is known: its settings lie below those of files and options.
    parser.set_defaults(system.defaults())
    parsed = parser.parse(arguments)
    result = fit(to_config(parsed.preset, parsed, CHOICES), parsed.out, resume=parsed.resume)
    if _first_process():
        _print_metrics(result.metrics, result.run_dir)
        print(f"\nrun directory: {result.run_dir} (above: its best epoch on the validation images)")
    return 0


def evaluate(arguments: Sequence[str]) -> int:
    """measure a run on a part of its data and write metrics-SPLIT.json into it"""
    from auxseg.evaluation.measure import SPLITS
    from auxseg.evaluation.measure import evaluate as measure

    parser = _parser("evaluate", evaluate, "auxseg evaluate runs/photos --split test")
    parser.add_argument("run", type=str, help="a run directory")
    parser.add_argument("--split", type=str, default="test", help=f"the part: {', '.join(SPLITS)}")
    parser.add_argument(
        "--root", type=str | None, default=None, help="where the data lie now, if moved"
    )
    parser.add_argument("--accelerator", type=str, default="auto", help="auto, cpu, gpu or mps")
    parsed = parser.parse(arguments)
    metrics = measure(parsed.run, parsed.split, root=parsed.root, accelerator=parsed.accelerator)
    _print_metrics(metrics, Path(parsed.run))
    return 0


def predict(arguments: Sequence[str]) -> int:
    """write masks, overlays, classes and boxes of photos"""
    from auxseg.predict import Prediction, find_images, load, predict_files

    parser = _parser(
        "predict", predict, "auxseg predict runs/photos cat.jpg more/ --out predictions"
    )
    parser.add_argument("run", type=str, help="a run directory")
    parser.add_argument("images", type=str, nargs="+", help="image files, and folders of them")
    parser.add_argument("--out", type=str, required=True, help="the folder for masks and overlays")
    parser.add_argument("--accelerator", type=str, default="auto", help="auto, cpu, gpu or mps")
    parsed = parser.parse(arguments)
    paths = find_images(parsed.images)
    predictor = load(parsed.run, parsed.accelerator)
    failures = 0
    for found in predict_files(predictor, paths, Path(parsed.out)):
        if isinstance(found, Prediction):
            print(_describe(found))
        else:
            failures += 1
            print(f"auxseg: {found}", file=sys.stderr)
    print(f"{len(paths) - failures} of {len(paths)} images predicted into {parsed.out}")
    return 1 if failures else 0


def reproduce(arguments: Sequence[str]) -> int:
    """train and test every system and print the paper's Table 1 with our figures"""
    from auxseg import reproduce as table
    from auxseg.build import CHOICES

    example = "auxseg reproduce --data shapes --presets segnet-1task,mtan-3task --out runs/table1"
    parser = _parser("reproduce", reproduce, example)
    parser.add_argument(
        "--out", type=str, required=True, help="the folder for runs, table and pictures"
    )
    parser.add_argument(
        "--presets", type=str, default=",".join(PRESETS), help="systems, as A,B; all by default"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, help="runs of each system, seeds counting up"
    )
    parser.add_argument("--jobs", type=int | None, default=None, help="systems trained at once")
    set_by_preset = ("model.architecture", "model.pretrained", "tasks.names")
    add_options(parser, CHOICES, hidden=set_by_preset)
    parser.set_defaults({"data.name": "shapes"})
    if parser.parse(arguments).data.name == "shapes":
        parser.set_defaults(table.DEMONSTRATION)
    parsed = parser.parse(arguments)
    for name, value in (("seeds", parsed.seeds), ("jobs", parsed.jobs)):
        if value is not None and value < 1:
            raise UsageError(f"--{name}: {value} is too small, the least allowed is 1")
    names = [name.strip() for name in parsed.presets.strip("[]").split(",")]
    if len(set(names)) < len(names):
        raise UsageError(f"--presets: {parsed.presets} names a system twice")
    configs = [_preset_config(name, parsed) for name in names]
    failures = table.reproduce(configs, Path(parsed.out), seeds=parsed.seeds, jobs=parsed.jobs)
    for failure in failures:
        print(f"auxseg: {failure}", file=sys.stderr)
    return 1 if failures else 0


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
    from auxseg.data.check import FILE_BASED, check_root

    parser = _parser("data check", data_check, "auxseg data check photos")
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
    from auxseg.build import CHOICES, open_data

    example = "auxseg data prepare --data oxford-pet --image-size 256"
    parser = _parser("data prepare", data_prepare, example)
    add_options(parser, CHOICES)
    parsed = parser.parse(arguments)
    opened = open_data(to_config("segnet-1task", parsed, CHOICES))
    for message in opened.messages:
        print(message)
    parts = (f"{part} {len(getattr(opened.split, part))}" for part in ("train", "val", "test"))
    size = opened.arrays.images.shape[1]
    count = len(opened.arrays.images)
    print(f"{count} images at {size}×{size} ({', '.join(parts)}) in {opened.arrays.folder}")
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    verb.__name__: verb for verb in (presets, train, evaluate, predict, reproduce, data)
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
        further = {"train": ", --resume goes on", "reproduce": ", the same command goes on"}
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


def _parser(verb: str, function: Callable[..., int], example: str) -> Parser:
    text = (function.__doc__ or "").strip()
    return Parser(
        prog=f"auxseg {verb}", description=f"{text[0].upper()}{text[1:]}. Example: {example}"
    )


def _preset_config(name: str, parsed: Namespace) -> Any:
    """The configuration of one of several presets that share a command line."""
    from auxseg.build import CHOICES

    combined = parsed.clone()
    for group, values in nested(preset(name).defaults()).items():
        for key, value in values.items():
            combined[f"{group}.{key}"] = value
    return to_config(name, combined, CHOICES)


def _print_metrics(metrics: dict[str, Any], run_dir: Path) -> None:
    from auxseg.evaluation.tables import metrics_table
    from auxseg.training.run import RunDirectory

    print(metrics_table(metrics, RunDirectory(run_dir).read_config()[1].mask))


def _describe(prediction: Any) -> str:
    parts = [prediction.name]
    if prediction.mask is not None:
        parts.append(f"foreground {(prediction.mask > 0).mean():.1%}")
    if prediction.label is not None:
        parts.append(f"{prediction.label} ({prediction.probability:.0%})")
    if prediction.box is not None:
        parts.append("box " + " ".join(f"{value:.0f}" for value in prediction.box))
    return "  ".join(parts)


def _first_process() -> bool:
    """Lightning starts a process per device with the same command line; one of them prints."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
