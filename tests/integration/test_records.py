"""``validation.npz`` and ``steps.csv``: what a run notes of single images and steps."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from pytorch_lightning import LightningModule, Trainer

from auxseg.runs import files
from auxseg.runs.directory import RunDirectory
from auxseg.training.callbacks import Keeper

from . import photos, records, runs
from .command import TINY, TINY_MODEL, auxseg

TASKS = ("segmentation", "classification", "bbox")
LINE = ("train", "mtan-3task", *TINY, "--balancer", "dwa", "--epochs", "3")


class StoppedError(Exception):
    """Stands for a kill."""


# -- validation.npz ----------------------------------------------------------------------------


def test_pooled_over_the_images_it_is_the_history_s_metric(trained: Path) -> None:
    validation = records.validation(trained)
    history = [float(row["val/segmentation/iou"]) for row in runs.history(trained)]
    assert validation["epochs"].tolist() == [1, 2]
    pooled = records.mean_iou(validation["counts"].sum(axis=1))
    np.testing.assert_allclose(pooled, history, rtol=1e-5)


def test_images_stand_in_ascending_order_with_their_numbers(trained: Path) -> None:
    """Numbers of the data set: 20 drawings for training, then 8 for validation."""
    validation = records.validation(trained)
    assert validation["images"].tolist() == list(range(20, 28))
    assert validation["counts"].shape == (2, 8, 4)
    kinds = {name: array.dtype for name, array in validation.items()}
    assert kinds == {"epochs": np.int64, "images": np.int64, "counts": np.float32}
    # Of 32 × 32 pixels each image's unions hold all, those of either class once more where wrong.
    assert (validation["counts"][..., 1] + validation["counts"][..., 3] >= 32 * 32).all()
    assert (validation["counts"][..., 0::2] <= validation["counts"][..., 1::2]).all()


def test_an_image_s_counts_are_those_of_its_own_scores(trained: Path, tmp_path: Path) -> None:
    """In the best epoch ``evaluate`` finds the same of every image."""
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    auxseg("evaluate", run, "--split", "val").succeeded()
    with (run / "images-val.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["image"]: float(row["segmentation/iou"]) for row in csv.DictReader(file)}
    validation = records.validation(run)
    best = RunDirectory(run).best_metrics()[0]
    for image, counts in zip(validation["images"], validation["counts"][best - 1], strict=True):
        ratios = [counts[i] / counts[i + 1] for i in (0, 2) if counts[i + 1]]
        name = f"val-{image - 20:05d}.png"
        assert rows.pop(name) == pytest.approx(np.mean(ratios), rel=1e-5)
    assert not rows


def test_images_without_a_mask_are_left_out(tmp_path: Path) -> None:
    """Of photos 12 to 15, which are for validation, two have one."""
    root = photos.folder(tmp_path / "photos", masks=[*range(12), 13, 14])
    photos.table(root, (photos.row(n, part=photos.part_of(n, 20)) for n in range(20)))
    run = tmp_path / "run"
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--epochs", "1", "--out", run).succeeded()
    validation = records.validation(run)
    assert validation["images"].tolist() == [13, 14]
    (row,) = runs.history(run)
    pooled = records.mean_iou(validation["counts"].sum(axis=1))
    assert pooled.tolist() == [pytest.approx(float(row["val/segmentation/iou"]), rel=1e-5)]


def test_the_program_reads_what_it_wrote(trained: Path, tmp_path: Path) -> None:
    found, expected = RunDirectory(trained).read_validation(), records.validation(trained)
    assert found is not None
    for name, array in expected.items():
        assert (getattr(found, name) == array).all()
    assert RunDirectory(tmp_path).read_validation() is None


@pytest.mark.parametrize("task", ["denoising", "colorization"])
def test_any_task_may_be_the_primary_one(task: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = ("train", "segnet-1task", *TINY, "--tasks.names", f"[{task}]", "--epochs", "1")
    auxseg(*line, "--out", run).succeeded()
    sums, number = records.validation(run)["counts"][0].sum(axis=0)
    assert number == 8
    (row,) = runs.history(run)
    assert sums / number == pytest.approx(float(row[f"val/{task}/psnr"]), rel=1e-5)


# -- steps.csv ---------------------------------------------------------------------------------


def test_steps_are_counted_through_all_epochs(trained: Path) -> None:
    """20 images, 5 a step."""
    rows = records.steps(trained)
    assert [row["epoch"] for row in rows] == ["1"] * 4 + ["2"] * 4
    assert [row["step"] for row in rows] == [str(number) for number in range(1, 9)]
    assert list(rows[0]) == [
        "epoch", "step",
        *(f"{name}/loss" for name in TASKS), *(f"{name}/weight" for name in TASKS),
    ]  # fmt: skip


def test_the_losses_of_an_epoch_s_steps_have_the_history_s_mean(trained: Path) -> None:
    """Every drawing has a mask and a class, so all steps count the same; a box some have not."""
    for epoch in runs.history(trained):
        rows = [row for row in records.steps(trained) if row["epoch"] == epoch["epoch"]]
        for name in ("segmentation", "classification"):
            mean = np.mean([float(row[f"{name}/loss"]) for row in rows])
            assert mean == pytest.approx(float(epoch[f"train/{name}/loss"]), rel=1e-4)


def test_every_epoch_adds_its_rows_and_writes_no_other(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run would spend its time on its own records else."""
    written: list[str] = []
    whole = files.write_rows

    def writing(path: Path, rows: list[dict[str, str]]) -> None:
        written.append(path.name)
        whole(path, rows)

    monkeypatch.setattr(files, "write_rows", writing)
    auxseg(*LINE, "--out", tmp_path / "run").succeeded()
    assert sorted(written) == ["history.csv", "steps.csv"]
    assert_same_records(tmp_path / "run", straight)


# -- resuming ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def straight(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs without a stop."""
    run = tmp_path_factory.mktemp("straight") / "run"
    auxseg(*LINE, "--out", run).succeeded()
    return run


def killed(run: Path, epoch: int, patch: pytest.MonkeyPatch) -> None:
    """A run that dies when steps and images of an epoch are noted, and no row or checkpoint."""
    write = Keeper._write_row

    def stop(keeper: Keeper, trainer: Trainer, module: LightningModule) -> None:
        if trainer.current_epoch + 1 == epoch:
            raise StoppedError
        write(keeper, trainer, module)  # type: ignore[arg-type]

    patch.setattr(Keeper, "_write_row", stop)
    with pytest.raises(StoppedError):
        auxseg(*LINE, "--out", run)


def assert_same_records(run: Path, other: Path) -> None:
    assert records.steps(run) == records.steps(other)
    found, expected = records.validation(run), records.validation(other)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("epoch", [1, 2])
def test_what_is_past_the_checkpoint_is_dropped(
    epoch: int, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        killed(run, epoch, patch)
    assert records.validation(run)["epochs"].tolist() == list(range(1, epoch + 1))
    assert (run / "history.csv").is_file() == (epoch > 1)
    auxseg(*LINE, "--out", run, "--resume").succeeded()
    assert_same_records(run, straight)


def test_half_written_records_do_no_harm(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        killed(run, 2, patch)
    (run / ".validation.npz.4711.tmp").write_bytes(b"half")
    with (run / "steps.csv").open("a", encoding="utf-8") as file:
        file.write("3,9,0.5")  # a line without its end
    auxseg(*LINE, "--out", run, "--resume").succeeded()
    assert_same_records(run, straight)


def test_a_run_of_before_there_were_records_is_resumed(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They start with the epoch in which it goes on."""
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        killed(run, 3, patch)
    (run / "validation.npz").unlink()
    (run / "steps.csv").unlink()
    auxseg(*LINE, "--out", run, "--resume").succeeded()
    assert records.validation(run)["epochs"].tolist() == [3]
    assert {row["epoch"] for row in records.steps(run)} == {"3"}
    found, expected = records.validation(run), records.validation(straight)
    assert np.array_equal(found["counts"], expected["counts"][2:])
