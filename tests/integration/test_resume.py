"""A run that is stopped anywhere and resumed ends as if nobody had stopped it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

import auxseg as library
from auxseg.runs.checkpoint import Position, position
from auxseg.runs.directory import RunDirectory
from auxseg.training.callbacks import Keeper
from auxseg.training.fit import train as fit
from planted import Planted
from stopped import stopped_at

from . import runs
from .command import Outcome, auxseg, start

#: Twelve steps an epoch, so that a kill hits the middle of one.
OPTIONS = (
    *("--data.options", "{train: 60, val: 8, test: 8}"),
    *("--image-size", "32", "--width", "0.05", "--weights", "none"),
    *("--batch-size", "5", "--accelerator", "cpu", "--epochs", "4"),
)
LINE = ("train", "segnet-1task", *OPTIONS)
SECONDS = 90


def stop(run: Path, condition: Callable[[Path], bool], number: signal.Signals) -> Outcome:
    """Starts the training and sends it a signal once the condition holds."""
    with start(*LINE, "--out", run) as training:
        try:
            _wait(lambda: condition(run) or training.poll() is not None)
            training.send_signal(number)
            out, err = training.communicate(timeout=SECONDS)
        except BaseException:
            training.kill()
            raise
    return Outcome(training.returncode, out, err)


def _wait(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > limit:
            raise subprocess.TimeoutExpired("auxseg train", SECONDS)
        time.sleep(0.005)


def third_epoch(run: Path) -> bool:
    """Whether two epochs are complete: their rows, and after them the checkpoint, are written."""
    rows, checkpoint = run / "history.csv", run / "checkpoints" / "last.ckpt"
    try:
        written = checkpoint.stat().st_mtime_ns
    except FileNotFoundError:  # not yet, or just becoming the previous one
        return False
    return len(runs.history(run)) == 2 and written > rows.stat().st_mtime_ns


def resume(run: Path) -> Outcome:
    return auxseg(*LINE, "--out", run, "--resume")


def assert_same(run: Path, straight: Path) -> None:
    """The same history, metrics and weights, to the last bit."""
    rows = runs.history(run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert runs.without_seconds(rows) == runs.without_seconds(runs.history(straight))
    assert runs.metrics(run, "val") == runs.metrics(straight, "val")
    assert (run / "steps.csv").read_text() == (straight / "steps.csv").read_text()
    assert runs.identical(runs.best(run), runs.best(straight))
    assert runs.identical(runs.last(run), runs.last(straight))


@pytest.fixture(scope="module")
def straight(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs without a stop."""
    run = tmp_path_factory.mktemp("straight") / "run"
    auxseg(*LINE, "--out", run).succeeded()
    return run


@pytest.fixture(scope="module")
def killed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Killed in the third of four epochs. Copy before resuming."""
    run = tmp_path_factory.mktemp("killed") / "run"
    assert stop(run, third_epoch, signal.SIGKILL).status == -signal.SIGKILL
    assert not (run / "metrics-val.json").exists()
    return run


@pytest.fixture
def run(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "run"))


def test_killed_and_resumed(run: Path, straight: Path) -> None:
    outcome = resume(run).succeeded()
    assert "epoch 4/4" in outcome.out
    assert "epoch 2/4" not in outcome.out
    assert_same(run, straight)


def test_a_row_past_the_checkpoint_is_dropped(run: Path, straight: Path) -> None:
    history = run / "history.csv"
    lines = history.read_text(encoding="utf-8").splitlines()
    history.write_text("\n".join([*lines, lines[-1].replace("2,", "3,", 1)]) + "\n")
    assert [row["epoch"] for row in runs.history(run)] == ["1", "2", "3"]
    resume(run).succeeded()
    assert_same(run, straight)


def test_half_written_files_do_no_harm(run: Path, straight: Path) -> None:
    """What a kill in the middle of writing leaves beside the files themselves."""
    (run / ".history.csv.4711.tmp").write_text("epoch,sec")
    (run / "checkpoints" / ".last.ckpt.4711.tmp").write_bytes(b"half")
    resume(run).succeeded()
    assert_same(run, straight)


def test_a_killed_run_can_be_evaluated(run: Path) -> None:
    auxseg("evaluate", run).succeeded()
    assert runs.metrics(run, "test")["segmentation/iou"] is not None


def test_evaluating_a_killed_run_does_not_finish_it(run: Path, straight: Path) -> None:
    auxseg("evaluate", run, "--split", "val").succeeded()
    resume(run).succeeded()
    assert_same(run, straight)


def test_killed_run_without_resume_is_kept(run: Path) -> None:
    before = runs.snapshot(run)
    auxseg(*LINE, "--out", run).failed(2, str(run), "--resume")
    assert runs.snapshot(run) == before


@pytest.mark.parametrize("left", [(), ("config.yaml",)])
def test_killed_before_the_first_checkpoint(
    left: tuple[str, ...], run: Path, straight: Path, tmp_path: Path
) -> None:
    """Nothing written yet, or only the configuration: ``--resume`` trains from scratch."""
    early = tmp_path / "early"
    early.mkdir()
    for name in left:
        shutil.copy(run / name, early / name)
    resume(early).succeeded()
    assert_same(early, straight)


def test_killed_between_row_and_checkpoint_of_the_first_epoch(
    run: Path, straight: Path, tmp_path: Path
) -> None:
    """The row and the best weights are there, the checkpoint is not: all is done once more."""
    shutil.rmtree(run / "checkpoints")
    rows = (run / "history.csv").read_text(encoding="utf-8").splitlines()
    (run / "history.csv").write_text("\n".join(rows[:2]) + "\n")
    resume(run).succeeded()
    assert_same(run, straight)


def torn(checkpoint: Path) -> None:
    """Its beginning alone."""
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])


def damaged(checkpoint: Path) -> None:
    """Whole, but for a thousand bytes inside."""
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:5000] + bytes(1000) + content[6000:])


@pytest.mark.parametrize("harm", [torn, damaged, Path.unlink])
def test_in_place_of_a_damaged_checkpoint_the_one_before_is_used(
    harm: Callable[[Path], None], run: Path, straight: Path
) -> None:
    checkpoint = run / "checkpoints" / "last.ckpt"
    harm(checkpoint)
    outcome = resume(run).succeeded()
    assert f"{checkpoint}: is damaged or missing; going on from" in outcome.err
    assert "epoch 2/4" in outcome.out
    assert_same(run, straight)


def test_damaged_checkpoints_are_named(run: Path) -> None:
    last, previous = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    torn(last)
    damaged(previous)
    before = runs.snapshot(run / "checkpoints")
    resume(run).failed(1, str(last), str(previous), "delete them")
    assert runs.snapshot(run / "checkpoints") == before


def test_a_planted_checkpoint_runs_nothing(run: Path, tmp_path: Path) -> None:
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    torch.save({**content, "planted": Planted(tmp_path / "hit")}, last)
    resume(run).failed(1, str(last), "nothing of it was run")
    with pytest.raises(library.DataError, match="nothing of it was run"):
        RunDirectory(run).slim()
    assert not (tmp_path / "hit").exists()


#: Ten steps after every one of which a few more photos without a mask have been seen.
SEMI = (
    *("--data.options", "{train: 60, val: 8, test: 8}", "--labels", "12"),
    *("--image-size", "32", "--width", "0.1", "--weights", "none", "--accelerator", "cpu"),
    *("--steps", "26", "--training.validate_every", "7"),
    # So young a network is sure of nothing.
    *("--tasks.options.consistency.threshold", "0.5"),
)


#: Systems that have something more to resume than weights, and how they load their images.
SYSTEMS = {
    "dropout": ("segnet-3task", *OPTIONS, "--data.num_workers", "2"),
    "teacher": ("unet-semi", *SEMI),
    "history": ("segnet-3task", *OPTIONS, "--balancer", "dwa"),
    "optimiser": ("segnet-3task", *OPTIONS, "--balancer", "famo"),
}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.thorough
def test_stopped_after_an_epoch_and_within_one(system: str, tmp_path: Path) -> None:
    """Once where an epoch has ended, once between two checkpoints of the next, by an exception."""
    line = ("train", *SYSTEMS[system], "--training.checkpoint_every", "2", "--out")
    auxseg(*line, tmp_path / "straight").succeeded()
    for epoch, batch in ((1, 0), (2, 5)):
        with stopped_at(epoch, batch):
            auxseg(*line, tmp_path / "run", *(["--resume"] if epoch > 1 else []))
    assert len(runs.history(tmp_path / "run")) == 2
    assert position(runs.checkpoint(tmp_path / "run")) == Position(2, 4)
    auxseg(*line, tmp_path / "run", "--resume").succeeded()
    assert_same(tmp_path / "run", tmp_path / "straight")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_keeps_the_step_that_was_reached(
    number: signal.Signals,
    status: int,
    straight: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C, and what a cluster sends before it takes a machine away."""
    run = tmp_path / "run"

    def send(
        keeper: Keeper, trainer: Trainer, module: LightningModule, data: object, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (2, 5):
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", send)
        outcome = auxseg(*LINE, "--out", run)
    outcome.failed(status, "--resume")
    assert position(runs.checkpoint(run)) == Position(2, 6)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resume(run).succeeded()
    assert_same(run, straight)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.thorough
def test_a_signal_from_elsewhere(
    number: signal.Signals, status: int, straight: Path, tmp_path: Path
) -> None:
    outcome = stop(tmp_path / "run", third_epoch, number)
    outcome.failed(status, "--resume")
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run" / "metrics-val.json").exists()
    resume(tmp_path / "run").succeeded()
    assert_same(tmp_path / "run", straight)


# -- options on resume --------------------------------------------------------------------------


def test_options_that_are_not_given_are_the_run_s_own(run: Path, straight: Path) -> None:
    auxseg("train", "segnet-1task", "--out", run, "--resume").succeeded()
    assert_same(run, straight)


def test_options_of_the_machine_may_be_given(run: Path, straight: Path, tmp_path: Path) -> None:
    line = ("train", "segnet-1task", "--out", run, "--resume")
    auxseg(*line, "--data.cache_dir", tmp_path / "cache").succeeded()
    assert runs.config(run)["data"]["cache_dir"] == str(tmp_path / "cache")
    assert_same(run, straight)


def test_a_part_of_the_run_s_options_agrees_with_them(run: Path, straight: Path) -> None:
    line = ("train", "segnet-1task", "--out", run, "--resume", "--epochs", "4")
    auxseg(*line, "--data.options", "{train: 60}").succeeded()
    assert_same(run, straight)


def test_a_run_of_another_preset_is_not_resumed(run: Path) -> None:
    before = runs.snapshot(run)
    auxseg("train", "segnet-3task", "--out", run, "--resume").failed(2, str(run), "segnet-1task")
    assert runs.snapshot(run) == before


def test_the_same_from_python(run: Path, straight: Path) -> None:
    library.train("segnet-1task", out=run, resume=True, epochs=4)
    assert_same(run, straight)


def test_python_has_to_name_the_run() -> None:
    with pytest.raises(library.UsageError, match="out"):
        library.train("segnet-1task", resume=True)


# -- more epochs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs, and their test metrics. Copy before extending it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    auxseg(*LINE, "--epochs", "2", "--out", run).succeeded()
    auxseg("evaluate", run).succeeded()
    return run


@pytest.fixture
def short(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "short"))


def rates(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, int], float]:
    """The learning rate of every step to come: (epoch, batch) → rate."""
    found: dict[tuple[int, int], float] = {}

    def record(
        keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        found[trainer.current_epoch, batch_idx] = rate

    monkeypatch.setattr(Keeper, "on_train_batch_start", record)
    return found


def test_a_finished_run_is_given_more_epochs(short: Path) -> None:
    before = runs.history(short)
    outcome = auxseg("train", "segnet-1task", "--out", short, "--resume", "--epochs", "4")
    out = outcome.succeeded().out
    assert "extended from 2 epochs to 4 epochs" in out
    assert "not bit for bit" in out
    rows = runs.history(short)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[:2] == before
    assert runs.config(short)["training"]["epochs"] == 4
    best = max(float(row["val/segmentation/iou"]) for row in rows)
    assert runs.metrics(short, "val")["segmentation/iou"] == pytest.approx(best, abs=1e-5)


def test_more_epochs_follow_the_longer_schedule_from_their_first_step(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rates(monkeypatch)
    library.train("segnet-1task", out=short, resume=True, epochs=3)
    extended = dict(found)
    found.clear()
    auxseg(*LINE, "--epochs", "3", "--out", tmp_path / "whole").succeeded()
    assert extended.keys() == {(2, batch) for batch in range(12)}
    assert extended == {step: rate for step, rate in found.items() if step in extended}


def test_metrics_of_weights_that_are_no_longer_the_best_are_dropped(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (short / "metrics-test.json").is_file()
    monkeypatch.setattr(RunDirectory, "best_metrics", lambda run: (1, {"segmentation/iou": -1.0}))
    auxseg("train", "segnet-1task", "--out", short, "--resume", "--epochs", "3").succeeded()
    assert not (short / "metrics-test.json").exists()
    assert not list(short.glob("confusion-*.csv"))


def test_a_run_that_was_stopped_early_goes_on_as_if_it_was_not(
    straight: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    auxseg(*LINE, "--training.stop_after", "2", "--out", run).succeeded()
    line = ("train", "segnet-1task", "--out", run, "--resume", "--training.stop_after", "null")
    out = auxseg(*line).succeeded().out
    assert "extended from 2 epochs to 4 epochs" in out
    assert "bit for bit" not in out
    assert_same(run, straight)


@pytest.mark.parametrize("options", [("--epochs", "1"), ("--epochs", "4", "--training.lr", "1")])
def test_fewer_epochs_or_other_options_are_refused(options: tuple[str, ...], short: Path) -> None:
    before = runs.snapshot(short)
    line = ("train", "segnet-1task", "--out", short, "--resume", *options)
    auxseg(*line).failed(2, str(short), "training.")
    assert runs.snapshot(short) == before


def test_a_whole_configuration_is_not_extended(short: Path) -> None:
    """As `reproduce` and `study` resume their runs: with all options, and no others."""
    config, _ = RunDirectory(short).read_config()
    longer = replace(config, training=replace(config.training, epochs=4))
    with pytest.raises(library.UsageError, match=r"training\.epochs 2, not 4"):
        fit(longer, short, resume=True)


def test_a_run_without_its_checkpoint_cannot_be_extended(short: Path) -> None:
    RunDirectory(short).slim()
    line = ("train", "segnet-1task", "--out", short, "--resume", "--epochs", "4")
    auxseg(*line).failed(1, str(short), "checkpoint")


# -- runs of older versions ---------------------------------------------------------------------


def test_an_old_run_from_scratch_that_names_weights(tmp_path: Path) -> None:
    """0.1.0 wrote the weights that it did not load."""
    old = tmp_path / "old"
    line = ("train", "segnet-1task-scratch", *OPTIONS, "--epochs", "1", "--out", old)
    auxseg(*line).succeeded()
    file = old / "config.yaml"
    text = file.read_text(encoding="utf-8")
    assert "weights: none" in text
    file.write_text(text.replace("weights: none", "weights: imagenet"), encoding="utf-8")
    auxseg("evaluate", old).succeeded()
    assert "already finished" in auxseg(*line, "--resume").succeeded().out
    for option, name in (("--config", "config.yaml"), ("--tuned", "")):
        run = tmp_path / option
        line = ("train", "segnet-1task-scratch", option, old / name, "--out", run)
        auxseg(*line).succeeded()
        assert runs.config(run)["model"]["weights"] == "none"
