"""``auxseg train``: one system into a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auxseg.cli.recommended import preset_for, with_found_data
from auxseg.cli.show import print_metrics
from auxseg.config.command_line import verb_parser
from auxseg.config.presets import PRESETS, RECOMMENDED, preset
from auxseg.errors import UsageError


def train(arguments: Sequence[str]) -> int:
    """train one system into a run directory"""
    from auxseg.api import layered
    from auxseg.assembly import CHOICES
    from auxseg.runs.data import split_to_refit
    from auxseg.runs.directory import RunDirectory
    from auxseg.training.fit import first_process
    from auxseg.training.fit import train as fit

    example = "auxseg train --root photos --out runs/photos"
    parser = verb_parser("train", train, example)
    parser.add_argument(
        "preset",
        nargs="?",
        help=f"the system: {', '.join(PRESETS)}; by default the one that --config names, else "
        f"{RECOMMENDED}",
    )
    parser.add_argument("--out", required=True, help="the run directory, new or empty")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --out from its last checkpoint. Options that are not given are "
        "the run's own; --epochs, or --steps, may be larger than it was",
    )
    parser.add_argument(
        "--tuned",
        metavar="RUN",
        help="a finished run of this preset: train once more with its options, on its training and "
        "validation images, for as many epochs as its best one took",
    )
    parser.add_options(CHOICES)
    parsed = parser.parse(arguments)
    name = preset_for(
        parsed.preset or (_preset_of_run(parsed.out) if parsed.resume else None),
        *(parsed.config, parsed.options),
    )
    preset(name)  # an unknown one is said before files are read
    given = [parser.layer(parsed, name)]
    if not parsed.resume and parsed.tuned is None:
        given = [with_found_data(given[0])]
    if parsed.tuned is not None:
        given.insert(0, _options_of_run(parsed.tuned, name))
    config = layered(name, given, resumed=parsed.out if parsed.resume else None)
    split = split_to_refit(RunDirectory(parsed.tuned), config.data) if parsed.tuned else None
    result = fit(config, parsed.out, resume=parsed.resume, extend=True, split=split)
    if first_process(config):
        which = "its last epoch; there were no images to validate on"
        if any(value is not None for value in result.metrics.values()):
            print_metrics(result.metrics, result.run_dir)
            which = "above: its best epoch on the validation images"
        print(f"\nrun directory: {result.run_dir} ({which})")
        print(f"next: auxseg predict {result.run_dir} PHOTOS --out predictions")
    return 0


def _preset_of_run(run_dir: str) -> str | None:
    """The preset of the run to go on with; None where there is none yet."""
    from auxseg.runs.directory import RunDirectory

    run = RunDirectory(run_dir)
    return run.read_config()[0].preset if run.config_file.is_file() else None


def _options_of_run(run_dir: str, preset: str) -> dict[str, Any]:
    """Options that repeat a run on its training and validation images, as long as was best."""
    from auxseg.runs.directory import RunDirectory

    run = RunDirectory(run_dir)
    config, _ = run.read_config()
    options = run.read_options(preset)
    if config.data.train_on == "train+val":
        raise UsageError(f"--tuned: {run_dir} was trained on its validation images itself")
    if not run.finished(config.training.last_epoch):
        raise UsageError(f"--tuned: {run_dir} is not finished; its best epoch is not known yet")
    best, _ = run.best_metrics()
    return options | {"training.stop_after": best, "data.train_on": "train+val"}
