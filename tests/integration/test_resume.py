"""A run that is stopped anywhere and resumed ends as if nobody had stopped it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytorch_lightning import LightningModule, Trainer

from auxseg.training.callbacks import Keeper

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


class StoppedError(Exception):
    """Stands for a kill, inside this process."""


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
    return (
        checkpoint.is_file()
        and len(runs.history(run)) == 2
        and checkpoint.stat().st_mtime_ns > rows.stat().st_mtime_ns
    )


def resume(run: Path) -> Outcome:
    return auxseg(*LINE, "--out", run, "--resume")


def assert_same(run: Path, straight: Path) -> None:
    """The same history, metrics and weights, to the last bit."""
    rows = runs.history(run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert runs.without_seconds(rows) == runs.without_seconds(runs.history(straight))
    assert runs.metrics(run, "val") == runs.metrics(straight, "val")
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
    """Nothing written yet, or only the configuration: ``--resume`` starts afresh."""
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


def test_a_damaged_checkpoint_is_named(run: Path) -> None:
    checkpoint = run / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    resume(run).failed(1, str(checkpoint))


def test_a_system_with_dropout_stopped_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("train", "segnet-3task", *OPTIONS, "--out")
    auxseg(*line, tmp_path / "straight").succeeded()
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", _stop_in_third_epoch)
        with pytest.raises(StoppedError):
            auxseg(*line, tmp_path / "run")
    assert len(runs.history(tmp_path / "run")) == 2
    auxseg(*line, tmp_path / "run", "--resume").succeeded()
    assert_same(tmp_path / "run", tmp_path / "straight")


def _stop_in_third_epoch(
    keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
) -> None:
    if (trainer.current_epoch, batch_idx) == (2, 5):
        raise StoppedError


@pytest.fixture(scope="module")
def interrupted(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """What Ctrl-C in the third epoch makes a run say, and its directory."""
    run = tmp_path_factory.mktemp("interrupted") / "run"
    return stop(run, third_epoch, signal.SIGINT), run


def test_ctrl_c_says_how_to_go_on(interrupted: tuple[Outcome, Path]) -> None:
    interrupted[0].failed(130, "--resume")


def test_ctrl_c_loses_nothing(interrupted: tuple[Outcome, Path], straight: Path) -> None:
    outcome, run = interrupted
    assert "Traceback" not in outcome.err
    assert not (run / "metrics-val.json").exists()
    resume(run).succeeded()
    assert_same(run, straight)
