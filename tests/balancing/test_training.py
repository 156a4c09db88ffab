"""Training with a balancer of each kind: stopped and resumed, logged, with missing labels.

What every single balancer does in a step: ``test_training_steps.py``.
"""

from __future__ import annotations

import csv
import functools
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from auxseg.balancing import BALANCERS
from auxseg.training.callbacks import Keeper
from integration import photos, runs
from integration.command import TINY_MODEL, auxseg

TASKS = ("segmentation", "classification", "bbox")
#: One step an epoch, for speed; weights made of former epochs first move in the third one.
SHAPES = ("--data.options", "{train: 5, val: 2, test: 2}", *TINY_MODEL, "--epochs", "3")
#: One of each kind: without a state, with learned numbers, with a memory of epochs, with a look
#: back, by gradients with random draws, by gradients without weights.
KINDS = ("fixed", "uncertainty", "dwa", "famo", "pcgrad", "graddrop")


def line(balancer: str, run: Path) -> tuple[str | Path, ...]:
    return ("train", "mtan-3task", *SHAPES, "--balancer", balancer, "--out", run)


def steps(run: Path) -> list[dict[str, str]]:
    with (run / "steps.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def checkpoint(run: Path) -> dict[str, object]:
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=False))


@dataclass(frozen=True)
class Trained:
    """Two run directories of one system.

    Attributes:
        straight: after three epochs.
        killed: the same one as it was after two.
    """

    straight: Path
    killed: Path


def copying(run: Path, to: Path) -> Callable[..., None]:
    """What stands for a kill in the third epoch: the directory as that would have left it."""

    def copy(
        keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (2, 0):
            shutil.copytree(run, to)

    return copy


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tests' cache folder, for a fixture that outlives a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_CACHE", str(tmp_path_factory.getbasetemp() / "auxseg-cache"))
        yield


@pytest.fixture(scope="module")
def trained(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Trains mtan-3task with a balancer, once. Read only."""

    @functools.cache
    def train(balancer: str) -> Trained:
        folder = tmp_path_factory.mktemp(balancer)
        run, killed = folder / "straight", folder / "killed"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Keeper, "on_train_batch_start", copying(run, killed))
            auxseg(*line(balancer, run)).succeeded()
        return Trained(run, killed)

    return train


Train = Callable[[str], Trained]


# -- stopped and resumed --------------------------------------------------------------------------


@pytest.mark.parametrize("balancer", KINDS)
def test_stopped_and_resumed_it_ends_as_if_nobody_had_stopped_it(
    balancer: str, trained: Train, tmp_path: Path
) -> None:
    """Network, balancer, optimiser and schedule, to the last bit, and the same rows."""
    run, straight = tmp_path / "run", trained(balancer).straight
    shutil.copytree(trained(balancer).killed, run)
    assert len(runs.history(run)) == len(steps(run)) == 2
    outcome = auxseg(*line(balancer, run), "--resume").succeeded()
    assert "epoch 3/3" in outcome.out
    assert "epoch 2/3" not in outcome.out
    assert runs.identical(runs.last(run), runs.last(straight))
    assert runs.identical(runs.best(run), runs.best(straight))
    found, expected = checkpoint(run), checkpoint(straight)
    for part in ("optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    rows = runs.without_seconds(runs.history(run))
    assert rows == runs.without_seconds(runs.history(straight))
    assert steps(run) == steps(straight)
    assert runs.metrics(run, "val") == runs.metrics(straight, "val")


@pytest.mark.parametrize("balancer", KINDS)
def test_the_checkpoint_holds_what_the_balancer_remembers(balancer: str, trained: Train) -> None:
    """All of it moved, or the test above would prove nothing."""
    fresh = BALANCERS[balancer](dict.fromkeys(TASKS, 1.0)).state_dict()
    state = runs.last(trained(balancer).straight)
    saved = {name: value for name, value in state.items() if name.startswith("balancer.")}
    assert saved.keys() == {f"balancer.{name}" for name in fresh}
    for name, start in fresh.items():
        value = saved[f"balancer.{name}"]
        assert bool(torch.isfinite(value).all()), name
        # Sums of the epoch start anew with every epoch.
        assert torch.equal(value, start) == (name in ("total", "count")), name


# -- steps.csv ------------------------------------------------------------------------------------


@pytest.mark.parametrize("balancer", KINDS)
def test_steps_csv_has_a_row_per_step_with_every_loss_and_weight(
    balancer: str, trained: Train
) -> None:
    rows = steps(trained(balancer).straight)
    kinds = [f"{task}/{kind}" for kind in ("loss", "weight") for task in TASKS]
    assert list(rows[0]) == ["epoch", "step", *kinds]
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        for task in TASKS:
            assert float(row[f"{task}/loss"]) > 0
            weight = row[f"{task}/weight"]
            assert weight == "" if balancer == "graddrop" else math.isfinite(float(weight))


@pytest.mark.parametrize("balancer", ["fixed", "pcgrad"])
def test_the_losses_of_steps_csv_are_unweighted(balancer: str, trained: Train) -> None:
    """A fresh network knows nothing of two classes; the history has the means over images."""
    run = trained(balancer).straight
    for task in ("segmentation", "classification"):  # labelled in every image
        found = [float(step[f"{task}/loss"]) for step in steps(run)]
        assert found[0] == pytest.approx(math.log(2), rel=0.05)
        expected = [float(row[f"train/{task}/loss"]) for row in runs.history(run)]
        assert found == pytest.approx(expected, rel=1e-4)


def weights_of(run: Path) -> list[list[float]]:
    return [[float(row[f"{task}/weight"]) for task in TASKS] for row in steps(run)]


def test_the_weights_of_fixed_are_the_paper_s(trained: Train) -> None:
    assert weights_of(trained("fixed").straight) == [[0.7, 0.1, 0.2]] * 3


def test_learned_weights_move_at_a_multiple_of_the_network_s_rate(
    cache: None, tmp_path: Path
) -> None:
    options = ("--training.balancer_options", "{lr_factor: 100}", "--training.stop_after", "2")
    auxseg(*line("uncertainty", tmp_path / "run"), *options).succeeded()
    first, second = weights_of(tmp_path / "run")
    assert first == [1.0, 1.0, 0.5]
    expected = [start * math.exp(-0.03) for start in first]
    assert second == pytest.approx(expected, rel=3e-6)


# -- missing labels -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen photos to train on, with masks, classes and boxes of four each; eight have none."""
    root = photos.folder(tmp_path_factory.mktemp("album"), 20, masks=[0, 1, 2, 3, *range(16, 20)])
    photos.table(
        root,
        [
            photos.row(
                number,
                label=number in (2, 3, 4, 5) or number >= 16,
                box=number in (4, 5, 6, 7) or number >= 16,
                part="train" if number < 16 else "val" if number < 18 else "test",
            )
            for number in range(20)
        ],
    )
    return root


@pytest.mark.parametrize("balancer", KINDS)
def test_training_where_most_batches_lack_a_label(
    balancer: str, album: Path, tmp_path: Path
) -> None:
    """A task has a loss and a weight where it has a label, and empty cells elsewhere."""
    run = tmp_path / "run"
    auxseg(
        *("train", "segnet-3task", "--data", "folder", "--root", album, *TINY_MODEL),
        *("--batch-size", "1", "--epochs", "2", "--data.unlabelled_ratio", "1"),
        *("--balancer", balancer, "--out", run),
    ).succeeded()
    rows = steps(run)
    # An epoch runs over the four photos with a mask; a photo with a class or a box comes on top.
    assert len(rows) == 8
    labelled = [tuple(task for task in TASKS if row[f"{task}/loss"]) for row in rows]
    assert all("segmentation" in tasks for tasks in labelled)
    assert {len(tasks) for tasks in labelled} >= {2, 3}
    for row, tasks in zip(rows, labelled, strict=True):
        alone = len(tasks) == 1
        for task in TASKS:
            weight = row[f"{task}/weight"]
            told = task in tasks and (balancer != "graddrop" or alone)
            assert math.isfinite(float(weight)) if told else weight == ""
    for name, value in runs.last(run).items():
        if name.startswith("model."):
            assert bool(torch.isfinite(value).all()), name
    for row in runs.history(run):
        for task in TASKS:
            assert math.isfinite(float(row[f"train/{task}/loss"]))
