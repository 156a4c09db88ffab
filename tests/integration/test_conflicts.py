"""``training.conflict_every``: how far the tasks' gradients agree, measured along the way."""

from __future__ import annotations

import copy
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import MultiTaskModel
from auxseg.tasks import Task
from auxseg.training.module import MultiTaskModule
from auxseg.types import Batch, Route

from . import photos, records, runs
from .command import TINY, TINY_MODEL, auxseg

#: Preset, further options, and what of its network several tasks use.
SYSTEMS = {
    "segnet-3task": ((), ("encoder.",)),
    "mtan-3task": ((), ("encoder.", "outer.")),
    "cross-stitch-3task": ((), ("encoder.", "further.", "stitches.")),
    "mtan-full-3task": ((), ("encoder.", "outer.", "decoder.", "decoder_outer.")),
    "segnet-noisy": (("--views", "per-task"), ("encoder.",)),
}


@pytest.mark.parametrize("preset", SYSTEMS)
def test_cosines_are_those_of_a_backward_pass_per_task(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, shared = SYSTEMS[preset]
    first: list[tuple[MultiTaskModel, dict[str, Task], Batch]] = []
    step = MultiTaskModule.training_step

    def recording(module: MultiTaskModule, batch: Batch, batch_idx: int) -> None:
        if not first:
            first.append((copy.deepcopy(module.model), dict(module.tasks), batch))
        step(module, batch, batch_idx)

    monkeypatch.setattr(MultiTaskModule, "training_step", recording)
    monkeypatch.setattr(nn.Dropout, "forward", lambda dropout, features: features)
    line = ("train", preset, *TINY, *options, "--training.conflict_every", "1", "--epochs", "1")
    auxseg(*line, "--out", tmp_path / "run").succeeded()
    ((model, tasks, batch),) = first
    gradients = {name: gradient(model, tasks[name], name, batch, shared) for name in tasks}
    row = records.steps(tmp_path / "run")[0]
    for a, b in combinations(tasks, 2):
        lengths = gradients[a].norm() * gradients[b].norm()
        assert float(lengths) > 0
        cosine = float(gradients[a] @ gradients[b] / lengths)
        assert float(row[f"{a}/{b}/cosine"]) == pytest.approx(cosine, abs=1e-3)


def gradient(
    model: MultiTaskModel, task: Task, name: str, batch: Batch, shared: tuple[str, ...]
) -> Tensor:
    """Of one task's loss by what the tasks share, in double precision, as one vector."""
    own = copy.deepcopy(model).double().train()
    view = next(view for view, routes in batch.routes.items() if Route(name, name) in routes)
    target = batch.targets[name]
    value = target.value.double() if target.value.is_floating_point() else target.value
    prediction = own(batch.views[view].double())[name]
    task.loss(prediction, value)[target.present].mean().backward()
    return torch.cat(
        [
            (torch.zeros_like(value) if value.grad is None else value.grad).flatten()
            for key, value in own.named_parameters()
            if key.startswith(shared)
        ]
    )


# -- what is measured when ---------------------------------------------------------------------

PAIRS = ("segmentation/classification", "segmentation/bbox", "classification/bbox")
LINE = ("train", "mtan-3task", *TINY, "--epochs", "1", "--out")


def test_it_is_measured_in_every_so_many_steps_of_an_epoch(tmp_path: Path) -> None:
    """Four steps an epoch: of every three the first and the fourth."""
    options = ("--training.conflict_every", "3", "--epochs", "2")
    auxseg(*LINE, tmp_path / "run", *options).succeeded()
    rows = records.steps(tmp_path / "run")
    assert len(rows) == 8
    for number, row in enumerate(rows):
        for pair in PAIRS:
            value = row[f"{pair}/cosine"]
            if number % 4 in (0, 3):
                assert -1 <= float(value) <= 1
            else:
                assert value == ""


def test_without_it_there_are_no_columns(trained: Path) -> None:
    assert not [name for name in records.steps(trained)[0] if name.endswith("cosine")]


def test_one_task_alone_has_no_conflicts(tmp_path: Path) -> None:
    line = ("train", "segnet-1task", *TINY, "--epochs", "1", "--training.conflict_every", "1")
    auxseg(*line, "--out", tmp_path / "run").succeeded()
    assert list(records.steps(tmp_path / "run")[0]) == [
        "epoch", "step", "segmentation/loss", "segmentation/weight",
    ]  # fmt: skip


def test_a_task_without_a_label_has_no_cosine(tmp_path: Path) -> None:
    """Of 12 training photos one has a box; 5 a step."""
    root = photos.folder(tmp_path / "photos")
    photos.table(root, (photos.row(n, box=n == 3, part=photos.part_of(n, 20)) for n in range(20)))
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--epochs", "3", "--training.conflict_every", "1", "--out", run).succeeded()
    boxed = set()
    for row in records.steps(run):
        boxed.add(row["bbox/loss"] != "")
        assert row["segmentation/classification/cosine"] != ""
        for pair in ("segmentation/bbox", "classification/bbox"):
            assert (row[f"{pair}/cosine"] != "") == (row["bbox/loss"] != "")
    assert boxed == {True, False}


@pytest.mark.parametrize("balancer", ["uncertainty", "famo", "pcgrad"])
def test_measuring_changes_nothing(balancer: str, tmp_path: Path) -> None:
    """Weights, the balancer's memory and batch norms, to the last bit; with dropout."""
    options = ("--balancer", balancer)
    auxseg(*LINE, tmp_path / "without", *options).succeeded()
    auxseg(*LINE, tmp_path / "with", *options, "--training.conflict_every", "1").succeeded()
    assert runs.identical(runs.last(tmp_path / "with"), runs.last(tmp_path / "without"))
    found, expected = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=False)
        for name in ("with", "without")
    )
    states = [one["optimizer_states"][0]["state"] for one in (found, expected)]
    assert states[0].keys() == states[1].keys()
    for key, state in states[1].items():
        assert all(torch.equal(states[0][key][name], value) for name, value in state.items())
    rows = [
        {name: value for name, value in row.items() if not name.endswith("cosine")}
        for row in records.steps(tmp_path / "with")
    ]
    assert rows == records.steps(tmp_path / "without")


def test_a_measurement_does_not_depend_on_the_balancer(tmp_path: Path) -> None:
    """In the first step all start alike; the tasks' gradients are unweighted."""
    found = []
    for balancer in ("equal", "upgrad"):
        run = tmp_path / balancer
        options = ("--balancer", balancer, "--training.conflict_every", "4")
        auxseg(*LINE, run, *options).succeeded()
        row = records.steps(run)[0]
        found.append([row[f"{pair}/cosine"] for pair in PAIRS])
    assert found[0] == found[1]
