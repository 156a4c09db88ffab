"""Runs that answer together: what they share, and the mean of what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxseg import assembly
from auxseg.config import Config
from auxseg.errors import DataError, UsageError
from auxseg.models import MultiTaskModel
from auxseg.runs.averaging import Change, Looks, combined
from auxseg.runs.directory import RunDirectory
from auxseg.runs.network import load_model
from auxseg.tasks import Task
from auxseg.types import Batch, ClassNames

#: Answers a batch, as several networks are given it: one of each; task → output.
Answer = Callable[[Sequence[Batch]], Mapping[str, Tensor]]


def averaging(members: Sequence[Member], tasks: Mapping[str, Task], looks: Looks) -> Answer:
    """The mean answer of several runs, each of them looking several times."""

    def answer(batches: Sequence[Batch]) -> dict[str, Tensor]:
        found = []
        for member, batch in zip(members, batches, strict=True):

            def run(change: Change, member: Member = member, batch: Batch = batch) -> Any:
                views = {name: change(view) for name, view in batch.views.items()}
                return member.model.forward_views(views, batch.routes)

            found.append(looks.average(tasks, run))
        return {
            name: combined(task, [outputs[name] for outputs in found])
            for name, task in tasks.items()
        }

    return answer


@dataclass(frozen=True)
class Member:
    """A run that is measured, alone or among others."""

    run: RunDirectory
    config: Config
    classes: ClassNames
    model: MultiTaskModel
    tasks: dict[str, Task]

    @classmethod
    def open(cls, path: str | Path, num_workers: int | None, device: torch.device) -> Member:
        run = RunDirectory(path)
        config, classes = run.read_config()
        if num_workers is not None:
            config = replace(config, data=replace(config.data, num_workers=num_workers))
        model, tasks = load_model(run, config, classes)
        return cls(run, config, classes, model.to(device), tasks)


def common_tasks(
    tasks: Mapping[str, Task], others: Mapping[str, Mapping[str, Task]]
) -> dict[str, Task]:
    """The tasks that several networks answer alike.

    Args:
        tasks: of the first network.
        others: of the others, by their names.

    Raises:
        UsageError: the primary task is not among them, or the classes differ.
    """
    primary = next(iter(tasks))
    for name, other in others.items():
        if primary not in other:
            raise UsageError(f"--with: {name} has no {primary}")
        for shared in tasks.keys() & other.keys():
            kind = tasks[shared].LABEL
            if kind not in ("mask", "label"):
                continue
            own, its = (getattr(one[shared].classes, kind) for one in (tasks, other))
            if own != its:
                raise UsageError(
                    f"--with: {name} knows the {kind} classes {', '.join(its)}, and the first run "
                    f"{', '.join(own)}"
                )
    return {
        name: task for name, task in tasks.items() if all(name in one for one in others.values())
    }


def check_member(member: Member, first: Member, data: assembly.Data, part: str) -> None:
    """Raises an error where a further run cannot be measured with the first one's images."""
    own, its = (assembly.make_fit(one.config) for one in (first, member))
    if own.shown != its.shown:
        raise UsageError(
            f"--with: {member.run.path} sees {its.shown}, and the first run {own.shown}"
        )
    kept = member.run.read_split()
    if kept is None or part == "train":
        return
    names = [data.dataset.name(number) for number in getattr(data.split, part)]
    trained = member.config.data.train_on.split("+")
    seen = [name for name in names if kept.parts.get(name) in trained]
    if seen:
        raise DataError(
            f"--with: {member.run.path} was trained on {len(seen)} of the {len(names)} images of "
            f"{part} (first: {seen[0]}); give both runs one --split FILE.csv"
        )
