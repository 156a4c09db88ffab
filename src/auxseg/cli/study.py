"""The verb that finds out which auxiliary tasks help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxseg.config.choices import check_choice
from auxseg.config.command_line import Parser, verb_parser
from auxseg.config.option import check_range
from auxseg.config.parsing import Layer, to_config
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


def study(arguments: Sequence[str]) -> int:
    """find out which auxiliary tasks help a target task, with seeds, intervals and verdicts"""
    from auxseg.assembly import CHOICES, measured, open_data
    from auxseg.experiments.launchers import Cluster, Launcher, Processes
    from auxseg.experiments.reproduce import DEMONSTRATION
    from auxseg.experiments.study.design import Design
    from auxseg.experiments.study.run import study as run_study
    from auxseg.experiments.study.run import teachable

    parser = _parser()
    parser.add_options(CHOICES, hidden=SET_BY_STUDY)
    parsed = parser.parse(arguments)
    given = parser.layer(parsed)
    layers: list[Layer] = [DEFAULTS, given, {"tasks.names": (parsed.target,)}]
    if given.get("data.name", DEFAULTS["data.name"]) == "shapes":
        layers.insert(1, DEMONSTRATION | {"model.weights": "none"})
    tasks = CHOICES["tasks.names"]
    check_choice("--target", parsed.target, tasks)
    for task in parsed.auxiliary:
        check_choice("--auxiliary", task, tasks)
    config = to_config("study", layers, CHOICES)
    check_range("--average", parsed.average, maximum=config.training.all_epochs)
    first = config.training.seed
    data = None if parsed.auxiliary else open_data(measured(config))
    design = Design(
        target=parsed.target,
        auxiliary=teachable(config, parsed.target, data) if data else parsed.auxiliary,
        kind=parsed.design,
        labels=tuple(map(_count, parsed.labels)),
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
    add("--out", required=True, help="the folder for runs, tables and page")
    add("--target", default="segmentation", help="the task that is to get better")
    add(
        "--auxiliary",
        type=tuple[str, ...],
        default=(),
        help="candidates, comma-separated; by default all other tasks that the data have labels "
        "for",
    )
    add(
        "--design",
        default="single",
        help="single: each candidate beside the target; pairs: two of them, too; all: every subset",
    )
    add("--seeds", type=int, default=3, minimum=1, help="runs of each system, seeds counting up")
    add(
        "--labels",
        type=tuple[str, ...],
        default=("all",),
        help="numbers of masks to keep, as 25,50,all: a study for each; images and other labels "
        "stay",
    )
    add(
        "--average",
        type=int,
        default=1,
        minimum=1,
        help="measure the target by its mean over this many last epochs",
    )
    add(
        "--delta-m",
        type=bool,
        default=True,
        help="also train each candidate alone, for Δm against single-task networks",
    )
    add(
        "--jobs",
        type=int | None,
        minimum=1,
        unless=("--cluster", "--collect"),
        help="systems to train at a time",
    )
    add(
        "--cluster",
        unless=("--collect",),
        help="train on a cluster, by submitit: slurm, local; --out must be shared",
    )
    add(
        "--cluster-options",
        type=dict[str, Any],
        default={},
        needs="--cluster",
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
