"""Writes what a study found: one page, one table, one file for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from auxseg.config import Config, TrainingConfig, plain
from auxseg.config.values import dump_yaml
from auxseg.experiments.study.confirm import Confirmation
from auxseg.experiments.study.design import Arm, Run
from auxseg.experiments.study.figures import (
    conflict_figure,
    effects_figure,
    epochs_figure,
    labels_figure,
)
from auxseg.experiments.study.results import Results
from auxseg.experiments.study.tables import (
    as_json,
    confirmation_text,
    labels_name,
    method,
    systems_table,
    tasks_table,
    verdict_table,
    verdicts,
)
from auxseg.report.html import Section, write_page
from auxseg.report.tables import MISSING, to_csv, to_markdown
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import write_text
from auxseg.runs.settings import MAY_DIFFER, flat


def write_study(
    out: Path,
    results: Results,
    confirmed: Mapping[int | None, Confirmation],
    runs: Sequence[Run],
    config: Config,
) -> None:
    """Writes ``study.html`` with ``figures/``, ``study.md``, ``study.csv`` and ``study.json``."""
    table = systems_table(results)
    text = [sentence for sentence in method(results) if sentence]
    words = [*verdicts(results), *confirmation_text(confirmed, results)]
    parts = [*(f"- {one}" for one in words), "", to_markdown(table), "", "\n\n".join(text)]
    write_text(out / "study.md", "\n".join(parts) + "\n")
    write_text(out / "study.csv", to_csv(table))
    write_text(out / "study.json", json.dumps(as_json(results, confirmed), indent=2) + "\n")
    title = f"what helps {results.design.target} on {config.data.name}"
    sections = [
        _answer(results, confirmation_text(confirmed, results), text),
        Section("Systems: against the target alone", tables=[table]),
        *_tasks(results),
        *_labels(results, runs),
        _epochs(results, runs, config.training),
        *_conflict(results, config.training),
        _configuration(config, results),
    ]
    write_page(out / "study.html", title, sections)


def _answer(results: Results, test: Sequence[str], text: Sequence[str]) -> Section:
    missing = []
    if results.unfinished:
        missing = [
            f"Not finished yet, and left out: {len(results.unfinished)} runs "
            f"({', '.join(results.unfinished[:5])}{', …' if len(results.unfinished) > 5 else ''})."
        ]
    return Section(
        "Answer: which tasks help",
        [*test, *text, *missing],
        figures={"effects": effects_figure(results)},
        tables=[verdict_table(results)],
    )


def _tasks(results: Results) -> list[Section]:
    if not results.effects:
        return []
    text = (
        "The mean difference that a task makes over all pairs of systems that differ in this task "
        "alone, whatever others are there; the intervals of this table hold together."
    )
    return [Section("Tasks: over all combinations", [text], tables=[tasks_table(results)])]


def _labels(results: Results, runs: Sequence[Run]) -> list[Section]:
    if len(results.rows) < 2:
        return []
    counts = {
        labels: RunDirectory(
            next(
                run.directory
                for run in runs
                if run.arm == rows[0].arm and run.seed in rows[0].values
            )
        ).read_counts()["masks"]
        for labels, rows in results.rows.items()
    }
    figure = labels_figure(results, counts)
    if figure is None:
        return []
    text = "Means over seeds; the band around the baseline is its standard deviation over seeds."
    return [Section("Labels: learning curves", [text], figures={"labels": figure})]


def _epochs(results: Results, runs: Sequence[Run], training: TrainingConfig) -> Section:
    column = f"val/{results.metric}"
    curves: dict[Arm, np.ndarray] = {}
    for rows in results.rows.values():
        for row in rows:
            directories = [
                RunDirectory(run.directory)
                for run in runs
                if run.arm == row.arm and run.seed in row.values
            ]
            curves[row.arm] = np.array(
                [
                    [float(one.get(column) or math.nan) for one in run.read_history()]
                    for run in directories
                ]
            )
    text = "Means over seeds of the validation metric."
    figure = epochs_figure(results, curves, training)
    return Section("Training: validation metric", [text], figures={"epochs": figure})


def _conflict(results: Results, training: TrainingConfig) -> list[Section]:
    figure = conflict_figure(results, training)
    if figure is None:
        return []
    rows = [["labels", "system", "task", "mean cosine", "steps with a negative one"]]
    for labels, systems in results.rows.items():
        for system in systems:
            for task, values in system.conflict.items():
                share = f"{system.opposed[task]:.0%}"
                cells = [
                    labels_name(labels),
                    system.arm.title,
                    task,
                    f"{mean(values.values()):+.3f}",
                    share,
                ]
                rows.append(cells)
    text = (
        "Cosine between a task's gradient and the target's on the parameters they share, in "
        "training, with the unweighted losses. Below 0 the two pull apart. It says whether tasks "
        "disagree about the next step, not whether one helps the other in the end."
    )
    return [Section("Conflict: gradients", [text], figures={"conflict": figure}, tables=[rows])]


def _configuration(config: Config, results: Results) -> Section:
    hidden = {*MAY_DIFFER, "training.seed", "preset", "tasks.names", "data.labels"}
    shared = {key: value for key, value in flat(plain(config)).items() if key not in hidden}
    rows = [
        ["", ""],
        ["target", results.metric],
        ["candidates", ", ".join(results.design.auxiliary)],
        ["design", results.design.kind],
        ["labels", ", ".join(map(labels_name, results.design.labels))],
        ["seeds", ", ".join(map(str, results.design.seeds))],
        ["averaged over the last epochs", str(results.design.average)],
        ["runs not finished", str(len(results.unfinished)) if results.unfinished else MISSING],
    ]
    return Section(
        "Configuration: what was run",
        tables=[rows],
        code={"options that all systems share": dump_yaml(shared)},
    )
