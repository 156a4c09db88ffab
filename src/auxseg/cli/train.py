"""``auxseg train``: one system into a run directory."""

from __future__ import annotations

import os
from collections.abc import Sequence

from auxseg.cli.show import print_metrics
from auxseg.config.parsing import add_options, to_config, verb_parser
from auxseg.config.presets import PRESETS, preset
from auxseg.errors import UsageError


def train(arguments: Sequence[str]) -> int:
    """train one system into a run directory"""
    from auxseg.assembly import CHOICES
    from auxseg.runs.data import split_to_refit
    from auxseg.runs.directory import RunDirectory
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
        arguments = [*_options_of_run(first.tuned, first.preset), *arguments]
    # Once more, now that the preset is known: its settings lie below those of files and options.
    parser.set_defaults(system.defaults())
    parsed = parser.parse(arguments)
    config = to_config(parsed.preset, parsed, CHOICES)
    split = split_to_refit(RunDirectory(first.tuned), config.data) if first.tuned else None
    result = fit(config, parsed.out, resume=parsed.resume, split=split)
    if _first_process():
        which = "its last epoch; there were no images to validate on"
        if any(value is not None for value in result.metrics.values()):
            print_metrics(result.metrics, result.run_dir)
            which = "above: its best epoch on the validation images"
        print(f"\nrun directory: {result.run_dir} ({which})")
    return 0


def _options_of_run(run_dir: str, preset: str) -> list[str]:
    """Options that repeat a run on its training and validation images, as long as was best."""
    from auxseg.runs.directory import RunDirectory

    run = RunDirectory(run_dir)
    config, _ = run.read_config()
    if config.preset != preset:
        raise UsageError(f"--tuned: {run_dir} is a run of {config.preset}, not of {preset}")
    if config.data.train_on == "train+val":
        raise UsageError(f"--tuned: {run_dir} was trained on its validation images itself")
    if not run.finished(config.training.last_epoch):
        raise UsageError(f"--tuned: {run_dir} is not finished; its best epoch is not known yet")
    return [
        f"--config={run.config_file}",
        f"--training.stop_after={run.best_metrics()[0]}",
        "--data.train_on=train+val",
    ]


def _first_process() -> bool:
    """Lightning starts a process per device with the same command line; one of them prints."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
