"""The verb that finds out which auxiliary tasks help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxseg.cli.show import split_names
from auxseg.config.parsing import Parser, add_options, to_config, verb_parser
from auxseg.errors import UsageError

#: Options that a study sets for each of its systems.
SET_BY_STUDY = ("tasks.names", "data.labels", "data.train_on", "training.stop_after")
#: What a study uses unless told otherwise.
DEFAULTS: dict[str, Any] = {
    "data.name": "shapes",
    "model.architecture": "mtan",
    # Else the target would see altered images because of a task that stands beside it.
    "tasks.views": "per-task",
    "training.conflict_every": 10,
}
CLUSTERS = ("slurm", "local")


def study(arguments: Sequence[str]) -> int:
    """find out which auxiliary tasks help a target task, with seeds, intervals and verdicts"""
    from auxseg.assembly import CHOICES, measured, open_data
    from auxseg.experiments.launchers import Cluster, Launcher, Processes
    from auxseg.experiments.reproduce import DEMONSTRATION
    from auxseg.experiments.study.design import Design
    from auxseg.experiments.study.run import study as run_study
    from auxseg.experiments.study.run import teachable

    parser = _parser()
    add_options(parser, CHOICES, hidden=SET_BY_STUDY)
    parser.set_defaults(DEFAULTS)
    if parser.parse(arguments).data.name == "shapes":
        parser.set_defaults(DEMONSTRATION | {"model.weights": "none"})
    parsed = parser.parse(arguments)
    if parsed.seeds < 1:
        raise UsageError(f"--seeds: {parsed.seeds} is too small, the least allowed is 1")
    if parsed.jobs is not None and parsed.jobs < 1:
        raise UsageError(f"--jobs: {parsed.jobs} is too small, the least allowed is 1")
    tasks = CHOICES["tasks.names"]
    candidates = split_names("--auxiliary", parsed.auxiliary) if parsed.auxiliary else []
    for task in (parsed.target, *candidates):
        if task not in tasks:
            raise UsageError(f"--target, --auxiliary: {task!r} is no task; {', '.join(tasks)} are")
    parsed["tasks.names"] = (parsed.target,)
    parsed["data.labels"], parsed["training.stop_after"] = None, None
    parsed["data.train_on"] = "train"
    config = to_config("study", parsed, CHOICES)
    if not 1 <= parsed.average <= config.training.epochs:
        raise UsageError(
            f"--average: {parsed.average} is not between 1 and the {config.training.epochs} epochs"
        )
    first = config.training.seed
    data = None if candidates else open_data(measured(config))
    design = Design(
        target=parsed.target,
        auxiliary=teachable(config, parsed.target, data) if data else tuple(candidates),
        kind=parsed.design,
        labels=tuple(map(_count, split_names("--labels", parsed.labels))),
        seeds=tuple(range(first, first + parsed.seeds)),
        average=parsed.average,
        alone=parsed.delta_m,
    )
    out = Path(parsed.out)
    launch: Launcher | None = Processes(parsed.jobs)
    if parsed.cluster is not None:
        launch = Cluster(parsed.cluster, out / "cluster", parsed.cluster_options)
    if parsed.collect:
        launch = None
    failures = run_study(design, config, out, launch, data)
    for failure in failures:
        print(f"auxseg: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> Parser:
    example = (
        "auxseg study --data folder --root photos --auxiliary edges,denoising --seeds 5 "
        "--labels 30,all --out runs/study"
    )
    parser = verb_parser("study", study, example)
    add = parser.add_argument
    add("--out", type=str, required=True, help="the folder for runs, tables and page")
    add("--target", type=str, default="segmentation", help="the task that is to get better")
    add(
        "--auxiliary",
        type=str | None,
        default=None,
        help="candidates, as A,B; by default all other tasks that the data have labels for",
    )
    add(
        "--design",
        type=str,
        default="single",
        help="single: each candidate beside the target; pairs: two of them, too; all: every subset",
    )
    add("--seeds", type=int, default=3, help="runs of each system, seeds counting up")
    add(
        "--labels",
        type=str,
        default="all",
        help="numbers of masks to keep, as 25,50,all: a study for each; images and other labels "
        "stay",
    )
    add(
        "--average",
        type=int,
        default=1,
        help="measure the target by its mean over so many last epochs",
    )
    add(
        "--delta-m",
        type=bool,
        default=True,
        help="also train each candidate alone, for Δm against single-task networks",
    )
    add("--jobs", type=int | None, default=None, help="systems trained at once")
    add(
        "--cluster",
        type=str | None,
        default=None,
        help=f"farm the runs out by submitit: {', '.join(CLUSTERS)}; --out must be shared",
    )
    add(
        "--cluster-options",
        type=dict[str, Any],
        default={},
        help="submitit's parameters, such as {slurm_partition: gpu, timeout_min: 600}",
    )
    add(
        "--collect",
        action="store_true",
        help="train nothing: tables and page from the runs that are there",
    )
    return parser


def _count(labels: str) -> int | None:
    """``all`` → None, else a number of labels."""
    if labels == "all":
        return None
    if not labels.isdecimal() or int(labels) < 1:
        raise UsageError(f"--labels: {labels!r} is neither a number above 0 nor all")
    return int(labels)
