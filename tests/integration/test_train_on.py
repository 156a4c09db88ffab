"""``--train-on train+val``, ``--tuned RUN`` and ``training.stop_after``: the fit after tuning."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

import auxseg as library
from auxseg.report.systems import caption, find_systems
from auxseg.runs.directory import RunDirectory
from auxseg.training.callbacks import Keeper
from auxseg.training.module import MultiTaskModule
from auxseg.types import Batch

from . import photos, records, runs
from .command import TINY, TINY_MODEL, auxseg

BOTH = ("--train-on", "train+val")
#: Options that no preset has: a tuned run must have found them in the first one's file.
OPTIONS = ("--balancer", "uncertainty", "--seed", "3", "--training.lr", "0.001", "--epochs", "3")


class StoppedError(Exception):
    """Stands for a kill."""


def stop_in_epoch(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets training die at the second step of an epoch, counted from 1."""

    def stop(
        keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if (trainer.current_epoch + 1, batch_idx) == (number, 1):
            raise StoppedError

    monkeypatch.setattr(Keeper, "on_train_batch_start", stop)


def checkpoint(run: Path) -> dict[str, Any]:
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=False))


def assert_same_run(run: Path, other: Path) -> None:
    """The same history, steps and weights, to the last bit."""
    rows = runs.without_seconds(runs.history(run))
    assert rows == runs.without_seconds(runs.history(other))
    assert records.steps(run) == records.steps(other)
    assert runs.identical(runs.best(run), runs.best(other))
    assert runs.identical(runs.last(run), runs.last(other))


@pytest.fixture(scope="module")
def final(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mtan-3task, two epochs on 20 training and 8 validation images. Copy before writing to it."""
    run = tmp_path_factory.mktemp("final") / "run"
    outcome = auxseg("train", "mtan-3task", "--out", run, *TINY, *BOTH, "--epochs", "2")
    outcome.succeeded()
    assert "its last epoch; there were no images to validate on" in outcome.out
    assert "val/" not in outcome.out
    return run


@pytest.fixture
def copy(final: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(final, tmp_path / "copy"))


# -- training and validation images together --------------------------------------------------


def test_the_run_says_on_how_many_images_it_was_trained(final: Path) -> None:
    written = runs.config(final)
    assert written["data"]["train_on"] == "train+val"
    assert written["images"] == {
        "train": 28, "masks": 28, "unlabelled": 0, "val": 0, "test": 8,
    }  # fmt: skip


def test_every_image_of_both_parts_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawings 0 to 19 are for training, 20 to 27 for validation; those after them for tests."""
    seen: list[int] = []
    step = MultiTaskModule.training_step

    def recording(module: MultiTaskModule, batch: Batch, batch_idx: int) -> None:
        seen.extend(batch.index.tolist())
        step(module, batch, batch_idx)

    monkeypatch.setattr(MultiTaskModule, "training_step", recording)
    line = ("train", "segnet-1task", *TINY, "--batch-size", "4", "--epochs", "1", "--out")
    auxseg(*line, tmp_path / "both", *BOTH).succeeded()
    assert sorted(seen) == list(range(28))
    seen.clear()
    auxseg(*line, tmp_path / "train").succeeded()
    assert sorted(seen) == list(range(20))


def test_all_validation_metrics_are_null(final: Path) -> None:
    metrics = runs.metrics(final, "val")
    assert metrics.keys() == runs.documented_keys(("segmentation", "classification", "bbox"))
    assert set(metrics.values()) == {None}
    for row in runs.history(final):
        assert float(row["train/loss"]) > 0
        columns = {name: value for name, value in row.items() if name.startswith("val/")}
        assert {"val/loss", "val/segmentation/loss", "val/segmentation/iou"} <= columns.keys()
        assert set(columns.values()) == {""}
    assert not (final / "validation.npz").exists()


def test_the_last_epoch_is_kept(final: Path) -> None:
    whole = runs.last(final)
    model = {name.removeprefix("model."): value for name, value in whole.items()}
    kept = runs.best(final)
    assert len(kept) == sum(name.startswith("model.") for name in whole)
    assert all(torch.equal(kept[name], model[name]) for name in kept)
    assert RunDirectory(final).best_metrics()[0] == 2


def test_python_gets_metrics_without_values(tmp_path: Path) -> None:
    result = library.train(
        "segnet-1task",
        out=tmp_path / "run",
        image_size=32,
        width=0.05,
        weights="none",
        accelerator="cpu",
        epochs=1,
        train_on="train+val",
        **{"data.options": {"train": 5, "val": 2, "test": 2}},
    )
    assert result.metrics
    assert set(result.metrics.values()) == {None}


def test_limits_are_drawn_from_both_parts(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *TINY, *BOTH, "--epochs", "1", "--out", run)
    auxseg(*line, "--limit", "24", "--labels", "22").succeeded()
    assert {key: runs.config(run)["images"][key] for key in ("train", "masks")} == {
        "train": 24,
        "masks": 22,
    }


def test_validation_images_are_no_longer_needed(tmp_path: Path) -> None:
    """Masks on all training images and on none of the others."""
    root = photos.folder(tmp_path / "photos", count=10, masks=range(6))
    photos.table(root, (photos.row(n, part=photos.part_of(n, 10)) for n in range(10)))
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--epochs", "1", "--out", tmp_path / "a").failed(1, "segmentation", "val")
    auxseg(*line, "--epochs", "1", "--out", tmp_path / "b", *BOTH).succeeded()


def test_stopped_and_resumed(final: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--out", run, *TINY, *BOTH, "--epochs", "2")
    with monkeypatch.context() as patch:
        stop_in_epoch(2, patch)
        with pytest.raises(StoppedError):
            auxseg(*line)
    assert len(runs.history(run)) == 1
    assert not (run / "metrics-val.json").exists()
    auxseg(*line, "--resume").succeeded()
    assert_same_run(run, final)
    assert runs.metrics(run, "val") == runs.metrics(final, "val")


def test_resume_leaves_a_finished_run_alone(final: Path) -> None:
    before = runs.snapshot(final)
    line = ("train", "mtan-3task", "--out", final, *TINY, *BOTH, "--epochs", "2", "--resume")
    assert "already finished" in auxseg(*line).succeeded().out
    assert runs.snapshot(final) == before


def test_resume_does_not_take_the_validation_images_back(final: Path) -> None:
    line = ("train", "mtan-3task", "--out", final, "--resume", "--train-on", "train")
    auxseg(*line).failed(2, str(final), "data.train_on", "train+val")


# -- what can be done with such a run ---------------------------------------------------------


def test_it_cannot_be_evaluated_on_the_validation_images(copy: Path) -> None:
    before = runs.snapshot(copy)
    auxseg("evaluate", copy, "--split", "val").failed(2, "validation", "--train-on train+val")
    assert runs.snapshot(copy) == before


def test_it_is_evaluated_on_all_images_that_it_was_trained_on(copy: Path) -> None:
    auxseg("evaluate", copy, "--split", "train").succeeded()
    names = (copy / "images-train.csv").read_text(encoding="utf-8").splitlines()[1:]
    parts = [name.split("-")[0] for name in names]
    assert (parts.count("train"), parts.count("val"), len(parts)) == (20, 8, 28)


@pytest.mark.thorough
def test_it_is_tested_and_reported(tmp_path: Path) -> None:
    run = tmp_path / "run"
    auxseg("train", "segnet-1task", *TINY, *BOTH, "--epochs", "1", "--out", run).succeeded()
    auxseg("evaluate", run).succeeded()
    found = runs.metrics(run, "test")
    assert 0 <= found["segmentation/iou"] <= 1
    auxseg("report", run, "--out", tmp_path / "report").succeeded()
    assert "train+val" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    table = (tmp_path / "report" / "table1.md").read_text(encoding="utf-8")
    (line,) = (line for line in table.splitlines() if line.startswith("| average IoU  "))
    assert f"{found['segmentation/iou']:.3f}" in line


def test_it_is_compared_with_a_run_that_was_validated(final: Path, trained: Path) -> None:
    systems = find_systems([final, trained])
    assert [system.name for system in systems] == ["mtan-3task", "mtan-3task (train_on train+val)"]
    text = caption(systems, "test")
    assert "20 or 28 training, 8 or 0 validation, 8 test images" in text
    assert "Not all were measured on the same images." not in text


def test_there_is_nothing_to_report_before_it_is_tested(
    copy: Path, trained: Path, tmp_path: Path
) -> None:
    """Alone or beside others."""
    for runs_ in ((copy,), (trained, copy)):
        outcome = auxseg("report", *runs_, "--out", tmp_path / "report")
        outcome.failed(1, str(copy), "not tested", f"auxseg evaluate {copy}")
    assert not (tmp_path / "report").exists()


def test_the_report_claims_no_choice_by_validation(final: Path, trained: Path) -> None:
    text = caption(find_systems([final]), "test")
    assert "28 training" in text
    assert "best epoch by validation" not in text
    assert "last epoch" in text
    assert "best epoch by validation" in caption(find_systems([trained]), "test")


def test_it_predicts(final: Path, tmp_path: Path) -> None:
    path = photos.write(tmp_path / "cat.jpg", photos.photo(0))
    auxseg("predict", final, path, "--out", tmp_path / "found").succeeded()
    assert any((tmp_path / "found").iterdir())


# -- --tuned ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs; its second is made the best one."""
    run = tmp_path_factory.mktemp("source") / "run"
    auxseg("train", "mtan-3task", "--out", run, *TINY, *OPTIONS).succeeded()
    directory = RunDirectory(run)
    directory.write_best(directory.read_best(), 2, directory.best_metrics()[1])
    return run


@pytest.fixture(scope="module")
def tuned(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("tuned") / "run"
    auxseg("train", "mtan-3task", "--tuned", source, "--out", run).succeeded()
    return run


def test_a_tuned_run_has_the_options_of_the_first(source: Path, tuned: Path) -> None:
    before, after = runs.config(source), runs.config(tuned)
    assert (after["data"].pop("train_on"), before["data"].pop("train_on")) == ("train+val", "train")
    assert (after["training"].pop("stop_after"), before["training"].pop("stop_after")) == (2, None)
    assert after.pop("images")["train"] == 28
    before.pop("images")
    assert after == before
    assert (after["training"]["balancer"], after["training"]["seed"]) == ("uncertainty", 3)


def test_a_tuned_run_takes_as_many_epochs_as_the_best_one(tuned: Path) -> None:
    assert [row["epoch"] for row in runs.history(tuned)] == ["1", "2"]
    assert RunDirectory(tuned).best_metrics()[0] == 2


def test_the_schedule_of_a_tuned_run_is_that_of_all_epochs(tuned: Path) -> None:
    """28 images, at most 5 a step: 12 of 18 steps, of which the first is the warm-up."""
    (scheduler,) = checkpoint(tuned)["lr_schedulers"]
    assert scheduler["last_epoch"] == 12
    rate = 0.001 * 0.5 * (1 + math.cos(math.pi * 11 / 17))
    assert scheduler["_last_lr"] == [pytest.approx(rate, rel=1e-9)] * 3


def test_a_tuned_run_is_what_its_options_say(tuned: Path, tmp_path: Path) -> None:
    """The same, spelled out."""
    line = ("train", "mtan-3task", *TINY, *OPTIONS, *BOTH, "--training.stop_after", "2")
    auxseg(*line, "--out", tmp_path / "run").succeeded()
    assert_same_run(tmp_path / "run", tuned)


def test_the_command_line_wins_over_the_tuned_run(source: Path, tmp_path: Path) -> None:
    """Such as another seed of the same."""
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--tuned", source, "--seed", "7", "--out", run)
    auxseg(*line, "--training.stop_after", "1").succeeded()
    assert (runs.config(run)["training"]["seed"], len(runs.history(run))) == (7, 1)


def test_a_tuned_run_is_stopped_and_resumed(
    source: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    line = ("train", "mtan-3task", "--tuned", source, "--out", run)
    with monkeypatch.context() as patch:
        stop_in_epoch(2, patch)
        with pytest.raises(StoppedError):
            auxseg(*line)
    auxseg(*line, "--resume").succeeded()
    assert_same_run(run, tuned)
    assert "already finished" in auxseg(*line, "--resume").succeeded().out


def test_an_unfinished_run_is_not_tuned(source: Path, tmp_path: Path) -> None:
    """Its best epoch may still come: epochs are missing, or only the end of the last one."""
    short = Path(shutil.copytree(source, tmp_path / "short"))
    rows = (short / "history.csv").read_text(encoding="utf-8").splitlines()
    (short / "history.csv").write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    open_ = Path(shutil.copytree(source, tmp_path / "open"))
    (open_ / "metrics-val.json").unlink()
    for run in (short, open_):
        line = ("train", "mtan-3task", "--tuned", run, "--out", tmp_path / "out")
        auxseg(*line).failed(2, "--tuned", str(run), "not finished")
    assert not (tmp_path / "out").exists()


def test_a_run_without_validation_images_is_not_tuned(final: Path, tmp_path: Path) -> None:
    line = ("train", "mtan-3task", "--tuned", final, "--out", tmp_path / "out")
    auxseg(*line).failed(2, "--tuned", str(final), "validation")
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_is_not_tuned(tmp_path: Path) -> None:
    line = ("train", "mtan-3task", "--tuned", tmp_path / "none", "--out", tmp_path / "out")
    auxseg(*line).failed(1, str(tmp_path / "none"), "not a run")
    assert not (tmp_path / "out").exists()


def test_a_tuned_run_is_of_the_same_preset(source: Path, tmp_path: Path) -> None:
    line = ("train", "mtan-no-bbox", "--tuned", source, "--out", tmp_path / "out")
    auxseg(*line).failed(2, str(source), "mtan-3task")
    assert not (tmp_path / "out").exists()


def test_a_tuned_run_is_of_the_same_preset_whatever_the_folder_is_called(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = auxseg("train", "mtan-no-bbox", "--tuned", source, "--out", "mtan-3task")
    outcome.failed(2, str(source), "mtan-3task")


# -- stopping early ---------------------------------------------------------------------------

#: With dropout and a balancer that remembers.
LINE = ("train", "segnet-3task", *TINY, "--balancer", "uncertainty", "--epochs", "4")


@pytest.fixture(scope="module")
def stopped(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of four epochs."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    outcome = auxseg(*LINE, "--training.stop_after", "2", "--out", run).succeeded()
    assert [line.split()[1] for line in outcome.out.splitlines() if line.startswith("epoch")] == [
        "1/2",
        "2/2",
    ]
    return run


@pytest.fixture(scope="module")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four epochs."""
    run = tmp_path_factory.mktemp("whole") / "run"
    auxseg(*LINE, "--out", run).succeeded()
    return run


def test_a_stopped_run_is_the_beginning_of_the_whole_one(stopped: Path, whole: Path) -> None:
    rows = runs.without_seconds(runs.history(whole))
    assert len(rows) == 4
    assert runs.without_seconds(runs.history(stopped)) == rows[:2]
    steps = records.steps(whole)
    assert records.steps(stopped) == [row for row in steps if row["epoch"] in ("1", "2")]
    few, all_ = records.validation(stopped), records.validation(whole)
    assert few["epochs"].tolist() == [1, 2]
    assert (few["counts"] == all_["counts"][:2]).all()


def test_a_stopped_run_s_weights_are_those_of_the_whole_one_at_that_epoch(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The optimiser's memory and the learning rate, too."""
    run = tmp_path / "run"
    stop_in_epoch(3, monkeypatch)
    with pytest.raises(StoppedError):
        auxseg(*LINE, "--out", run)
    assert runs.identical(runs.last(run), runs.last(stopped))
    found, expected = checkpoint(run), checkpoint(stopped)
    assert found["lr_schedulers"][0]["_last_lr"] == expected["lr_schedulers"][0]["_last_lr"]
    for key, state in expected["optimizer_states"][0]["state"].items():
        other = found["optimizer_states"][0]["state"][key]
        assert all(torch.equal(other[name], value) for name, value in state.items())


def test_a_stopped_run_is_finished(stopped: Path) -> None:
    before = runs.snapshot(stopped)
    line = (*LINE, "--training.stop_after", "2", "--out", stopped, "--resume")
    assert "already finished" in auxseg(*line).succeeded().out
    auxseg(*LINE, "--out", stopped, "--resume").succeeded()
    line = (*LINE, "--training.stop_after", "1", "--out", stopped, "--resume")
    auxseg(*line).failed(2, str(stopped), "training.stop_after", "2")
    assert runs.snapshot(stopped) == before


def test_stopping_after_the_last_epoch_changes_nothing(whole: Path, tmp_path: Path) -> None:
    auxseg(*LINE, "--training.stop_after", "9", "--out", tmp_path / "run").succeeded()
    assert_same_run(tmp_path / "run", whole)


def test_the_report_names_the_epochs_that_were_trained(stopped: Path) -> None:
    assert " 2 epochs," in caption(find_systems([stopped]), "val")
