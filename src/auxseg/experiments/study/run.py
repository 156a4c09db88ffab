"""Runs a study: trains what is missing, collects what is there, writes the page."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from auxseg import assembly
from auxseg.config import Config
from auxseg.data import Dataset
from auxseg.errors import DataError, UsageError
from auxseg.experiments.launchers import Launcher, run_all
from auxseg.experiments.study.confirm import confirm
from auxseg.experiments.study.design import Design, Run, with_average, with_tasks
from auxseg.experiments.study.page import write_study
from auxseg.experiments.study.results import Results, collect
from auxseg.experiments.study.tables import confirmation_text, systems_table, verdicts
from auxseg.report.tables import to_markdown
from auxseg.runs.data import check_bare
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import check_folder
from auxseg.runs.lock import locked
from auxseg.tasks import TASKS
from auxseg.training.fit import train


def study(
    design: Design,
    config: Config,
    out: Path,
    launch: Launcher | None,
    opened: assembly.Data | None = None,
) -> list[str]:
    """Trains every system of the design with every seed and says which tasks help.

    Goes on where an earlier call stopped, run by run; so a study can grow by seeds, labels and
    candidates. Writes ``runs/`` and the tables and page of :func:`write_study`.

    Args:
        config: what all systems share; its tasks are the design's.
        launch: where missing runs are trained; None to collect what is there.
        opened: the data of ``config``, where they are open already.

    Returns:
        one line per run that failed.
    """
    check_folder(out)
    # What others train can be collected meanwhile.
    with nullcontext() if launch is None else locked(out):
        return _study(design, config, out, launch, opened)


def _study(
    design: Design,
    config: Config,
    out: Path,
    launch: Launcher | None,
    opened: assembly.Data | None,
) -> list[str]:
    """As :func:`study`, while nobody else trains into the folder."""
    _check_tasks(config, design)
    config = with_tasks(config, (design.target, *design.auxiliary))
    config = with_average(config, design.auxiliary)
    dataset = opened.dataset if opened else assembly.open_dataset(config.data)
    data = _check(design, config, dataset, opened)
    runs = list(design.runs(config, out))
    missing = [run for run in runs if not _finished(run, dataset)]
    failures: dict[str, str] = {}
    if launch is not None:
        if len(missing) < len(runs):
            print(f"{len(runs) - len(missing)} of {len(runs)} runs are there already", flush=True)
        failures = run_all(run_one, {run.name: run for run in missing}, launch)
    target = assembly.make_tasks(config, dataset.classes)[design.target]
    results = collect(design, runs, target)
    if not results.rows:
        raise DataError(
            f"{out}: no seed is complete yet (of every system with some number of labels); "
            f"{len(results.unfinished)} of {len(runs)} runs are missing"
        )
    write_study(out, results, {}, runs, config)  # whatever the test images bring
    confirmed = confirm(results, runs, data)
    write_study(out, results, confirmed, runs, config)
    _print(results)
    for sentence in confirmation_text(confirmed, results):
        print(sentence)
    print(f"\nwritten: {out / 'study.html'}, {out / 'study.md'}, .csv and .json")
    return [f"{name}: {message}" for name, message in failures.items()]


def teachable(config: Config, target: str, data: assembly.Data) -> tuple[str, ...]:
    """The tasks besides the target that some training image has a label for.

    Those that ask a teacher are for photos without a mask, of which there may be some with the
    one number of labels and none with the other: they want to be named.
    """
    return tuple(
        name
        for name, task in TASKS.items()
        if name != target and not task.ASKS_TEACHER and not _unlabelled(config, name, data)
    )


def run_one(run: Run) -> str:
    """Trains (or goes on with) one run; returns a line about it."""
    directory = RunDirectory(run.directory)
    train(run.config, run.directory, resume=True, quiet=True)
    directory.slim()
    history = directory.read_history()
    task = run.arm.tasks[0]
    metric = f"val/{task}/{next(iter(TASKS[task].METRICS))}"
    seconds = sum(float(row["seconds"]) for row in history)
    return f"{metric} {float(history[-1][metric]):.3f} at the last epoch, {seconds:.0f} s"


def _check(
    design: Design, config: Config, dataset: Dataset, opened: assembly.Data | None
) -> assembly.Data:
    """Tells a mistake before the first hour, not after; decodes the images once for all runs."""
    if design.target != "segmentation" and design.labels != (None,):
        raise UsageError(f"--labels: keeps masks, which are not the labels of {design.target}")
    if not config.training.alone:
        raise UsageError(
            "training.devices: a study trains each system on one device; --jobs trains several "
            "systems at a time"
        )
    assembly.check_weights(config)
    for arm in design.arms:
        assembly.check(with_tasks(config, arm.tasks), dataset.classes)
    data = assembly.open_data(config, dataset, opened=opened)
    for labels in design.labels:
        drawn = replace(config, data=replace(config.data, labels=labels))
        check_bare(config, assembly.open_data(drawn, opened=data))
    for name in (design.target, *design.auxiliary):
        if TASKS[name].READS_PRIMARY:
            continue
        alone = name == design.target or design.alone
        problem = _unlabelled(config, name, data)
        if problem is None and alone:
            problem = _unlabelled(config, name, data, "val")
        if problem:
            raise DataError(problem)
    return data


def _check_tasks(config: Config, design: Design) -> None:
    """Raises :class:`UsageError` for weights or options of a task that is not in the study."""
    known = (design.target, *design.auxiliary)
    for name in (*config.tasks.weights, *config.tasks.options):
        if name not in known:
            raise UsageError(
                f"tasks: {name!r} is no task of this study; its tasks are {', '.join(known)}"
            )


def _unlabelled(config: Config, name: str, data: assembly.Data, part: str = "train") -> str | None:
    """Why a task cannot be learned from, or measured on, a part's images; None where it can."""
    own = with_tasks(config, (name,))
    try:
        tasks = assembly.make_tasks(own, data.dataset.classes)
    except DataError as error:
        return str(error)
    loader = assembly.make_eval_loader(own, data, tasks, part)
    if any(bool(batch.targets[name].present.any()) for batch in loader):
        return None
    mend = "leave it out of --auxiliary"
    if part == "val":
        mend += ", or say --delta-m false"
    return f"{name}: no image of the {part} split has a label for it; {mend}"


def _finished(run: Run, dataset: Dataset) -> bool:
    """Whether a run is complete; raises :class:`UsageError` if it was made with other options."""
    directory = RunDirectory(run.directory)
    directory.check_resumable(assembly.resolve(run.config, dataset))
    return directory.finished(run.config.training.last_epoch)


def _print(results: Results) -> None:
    print(f"\n{to_markdown(systems_table(results))}\n")
    for sentence in verdicts(results):
        print(sentence)
    if results.unfinished:
        print(f"{len(results.unfinished)} runs are not finished; the table leaves them out")
