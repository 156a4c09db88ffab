"""The command line: one function per verb."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from auxseg.cli_data import data
from auxseg.cli_study import study
from auxseg.config import Config
from auxseg.errors import AuxsegError, UsageError
from auxseg.options import Parser, add_options, to_config, verb_parser
from auxseg.presets import PAPER, PRESETS, preset

#: Systems that `reproduce` trains with equal task weights, too, where they are among its presets.
EQUAL_BY_DEFAULT = ["mtan-3task"]
#: Options that make a preset what it is: `reproduce` takes no others for them.
SET_BY_PRESET = ("model.architecture", "model.pretrained", "tasks.names")


def presets(arguments: Sequence[str]) -> int:
    """list the systems that can be trained, with their tasks, architecture and parameters"""
    from auxseg.api import configure
    from auxseg.evaluation.cost import count_parameters
    from auxseg.types import ClassNames

    verb_parser("presets", presets, "auxseg presets").parse(arguments)
    classes = ClassNames(mask=("background", "pet"), label=("cat", "dog"))
    width = max(map(len, PRESETS))
    for name, system in PRESETS.items():
        count = count_parameters(configure(name, weights="none"), classes)
        weights = "pre-trained" if system.pretrained else "from scratch"
        tasks = " + ".join(system.tasks)
        views = "" if system.views == "shared" else f", {system.views} views"
        paper = "" if system.in_paper else "  (not in the paper's Table 1)"
        print(
            f"{name:{width}}  {system.architecture:12}  {weights:12}  {count / 1e6:4.1f} M  "
            f"{tasks}{views}{paper}"
        )
    print("\nParameters (millions): at width 1, with two mask classes and two image classes.")
    return 0


def train(arguments: Sequence[str]) -> int:
    """train one system into a run directory"""
    from auxseg.build import CHOICES
    from auxseg.training.fit import train as fit

    example = "auxseg train segnet-1task --data folder --root photos --out runs/photos"
    parser = verb_parser("train", train, example)
    parser.add_argument("preset", type=str, help=f"the system: {', '.join(PRESETS)}")
    parser.add_argument("--out", type=str, required=True, help="the run directory, new or empty")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out"
    )
    parser.add_argument(
        "--tuned",
        type=str | None,
        default=None,
        help="a finished run of this preset: train once more with its options, on its training and "
        "validation images, for as many epochs as its best one took",
    )
    add_options(parser, CHOICES)
    first = parser.parse(arguments)
    system = preset(first.preset)
    if first.tuned is not None:
        arguments = [*_options_of_run(first.tuned), *arguments]
    # Once more, now that the preset is known: its settings lie below those of files and options.
    parser.set_defaults(system.defaults())
    parsed = parser.parse(arguments)
    result = fit(to_config(parsed.preset, parsed, CHOICES), parsed.out, resume=parsed.resume)
    if _first_process():
        which = "its last epoch; there were no images to validate on"
        if any(value is not None for value in result.metrics.values()):
            _print_metrics(result.metrics, result.run_dir)
            which = "above: its best epoch on the validation images"
        print(f"\nrun directory: {result.run_dir} ({which})")
    return 0


def _options_of_run(run_dir: str) -> list[str]:
    """Options that repeat a run on its training and validation images, as long as was best."""
    from auxseg.training.run import RunDirectory

    run = RunDirectory(run_dir)
    config, _ = run.read_config()
    if config.data.train_on == "train+val":
        raise UsageError(f"--tuned: {run_dir} was trained on its validation images itself")
    if not run.finished(config.training.last_epoch):
        raise UsageError(f"--tuned: {run_dir} is not finished; its best epoch is not known yet")
    return [
        f"--config={run.config_file}",
        f"--training.stop_after={run.best_metrics()[0]}",
        "--data.train_on=train+val",
    ]


def evaluate(arguments: Sequence[str]) -> int:
    """measure a run on a part of its data and write metrics-SPLIT.json into it"""
    from auxseg.evaluation.measure import SPLITS
    from auxseg.evaluation.measure import evaluate as measure

    parser = verb_parser("evaluate", evaluate, "auxseg evaluate runs/photos --split test")
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
    from auxseg.predict import find_images, load, predict_files
    from auxseg.report.attention import write_attention

    parser = verb_parser(
        "predict", predict, "auxseg predict runs/photos cat.jpg more/ --out predictions"
    )
    parser.add_argument("run", type=str, help="a run directory")
    parser.add_argument("images", type=str, nargs="+", help="image files, and folders of them")
    parser.add_argument("--out", type=str, required=True, help="the folder for masks and overlays")
    parser.add_argument("--accelerator", type=str, default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--attention",
        action="store_true",
        help="also write every task's attention masks, as arrays (NAME_attention.npz, float16, "
        "megabytes a photo) and as a picture (NAME_attention.png)",
    )
    parsed = parser.parse(arguments)
    paths = find_images(parsed.images)
    predictor = load(parsed.run, parsed.accelerator)
    if parsed.attention and not predictor.attentive:
        raise UsageError(f"--attention: {predictor.config.preset} has no attention masks")
    failures = 0
    out = Path(parsed.out)
    for found in predict_files(predictor, paths, out, attention=parsed.attention):
        if isinstance(found, AuxsegError):
            failures += 1
            print(f"auxseg: {found}", file=sys.stderr)
            continue
        stem, prediction = found
        if parsed.attention:
            write_attention(out / f"{stem}_attention.png", prediction)
        print(_describe(prediction))
    print(f"{len(paths) - failures} of {len(paths)} images predicted into {parsed.out}")
    return 1 if failures else 0


def reproduce(arguments: Sequence[str]) -> int:
    """train and test the paper's nine systems; write its Table 1 with our figures, and a report"""
    from auxseg import reproduce as table
    from auxseg.build import CHOICES

    parser = _reproduce_parser()
    add_options(parser, CHOICES, hidden=SET_BY_PRESET)
    parser.set_defaults({"data.name": "shapes"})
    if parser.parse(arguments).data.name == "shapes":
        parser.set_defaults(table.DEMONSTRATION)
    parsed = parser.parse(arguments)
    for name, value in (("seeds", parsed.seeds), ("jobs", parsed.jobs)):
        if value is not None and value < 1:
            raise UsageError(f"--{name}: {value} is too small, the least allowed is 1")
    names = _names("--presets", parsed.presets)
    _check_tasks(parsed, names)
    configs = {name: _preset_config(name, parser, arguments) for name in names}
    equal = _names("--equal", parsed.equal) if parsed.equal else EQUAL_BY_DEFAULT
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


def report(arguments: Sequence[str]) -> int:
    """write tables and one HTML page about any finished runs"""
    from auxseg.report.page import write_report

    parser = verb_parser("report", report, "auxseg report runs/a runs/b --out report")
    parser.add_argument("runs", type=str, nargs="+", help="run directories")
    parser.add_argument("--out", type=str, required=True, help="the folder for page and tables")
    parser.add_argument(
        "--root", type=str | None, default=None, help="where the data lie now, if moved"
    )
    parsed = parser.parse(arguments)
    out = Path(parsed.out)
    write_report(out, parsed.runs, parsed.root)
    print(f"written: {out / 'report.html'}, {out / 'table1.md'}, .csv and .tex, {out / 'figures'}")
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    verb.__name__: verb
    for verb in (presets, train, evaluate, predict, report, reproduce, study, data)
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
        again = ", the same command goes on"
        further = {"train": ", --resume goes on", "reproduce": again, "study": again}
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


def _preset_config(name: str, parser: Parser, arguments: Sequence[str]) -> Config:
    """The configuration of one of several presets that share a command line."""
    from auxseg.build import CHOICES

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


def _names(option: str, given: str) -> list[str]:
    """``A,B`` or ``[A, B]`` → names, each once."""
    names = [name.strip() for name in given.strip("[]").split(",")]
    if len(set(names)) < len(names):
        raise UsageError(f"{option}: {given} names a system twice")
    return names


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
