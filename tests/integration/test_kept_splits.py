"""``split.csv``: whatever comes or goes later, no photo that was trained on is ever tested on."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from pytorch_lightning import LightningModule, Trainer

from auxseg.report.photos import open_photos
from auxseg.report.systems import caption, comparable, find_systems
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.training.callbacks import Keeper
from auxseg.training.module import MultiTaskModule
from auxseg.types import Batch

from . import photos, records, runs
from .command import TINY_MODEL, Outcome, auxseg

COUNT = 10
SYSTEM = ("segnet-1task", *TINY_MODEL, "--batch-size", "2")


class StoppedError(Exception):
    """Stands for a kill."""


def train(root: Path, out: Path, *options: str | Path) -> Outcome:
    """With a test part, which ``masked`` would not draw of so few masks."""
    line = ("train", *SYSTEM, "--data", "folder", "--root", root, "--epochs", "1", "--out", out)
    return auxseg(*line, "--split", "stratified", *options)


def kept(run: Path) -> dict[str, str]:
    """Image → its part, as the run's file says."""
    with (run / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(list(row) == ["image", "part"] for row in rows)
    return {row["image"]: row["part"] for row in rows}


def of_part(run: Path, part: str) -> list[str]:
    return sorted(name for name, its in kept(run).items() if its == part)


def measured_on(run: Path, part: str = "test") -> list[str]:
    """The images whose metrics ``evaluate`` wrote."""
    with (run / f"images-{part}.csv").open(newline="", encoding="utf-8") as file:
        return sorted(row["image"] for row in csv.DictReader(file))


def add_photos(root: Path, numbers: Sequence[int] = range(50, 70)) -> None:
    """Further photos, of which a draw would take others for validation and test."""
    for number in numbers:
        photos.write(root / "images" / f"{number - 50:02}-new.jpg", photos.photo(number))
        photos.write(root / "masks" / f"{number - 50:02}-new.png", photos.mask(number))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the images of every training step from now on."""
    numbers: list[int] = []
    step = MultiTaskModule.training_step

    def recording(module: MultiTaskModule, batch: Batch, batch_idx: int) -> None:
        numbers.extend(batch.index.tolist())
        step(module, batch, batch_idx)

    monkeypatch.setattr(MultiTaskModule, "training_step", recording)
    return numbers


def names(root: Path, numbers: Sequence[int]) -> list[str]:
    images = sorted(path.name for path in (root / "images").iterdir())
    return sorted({images[number] for number in numbers})


@pytest.fixture(scope="module")
def original(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos`` and a ``run`` on them, tested. Copy before writing to it."""
    folder = tmp_path_factory.mktemp("kept")
    root = photos.folder(folder / "photos", count=COUNT)
    train(root, folder / "run").succeeded()
    auxseg("evaluate", folder / "run").succeeded()
    return folder


@pytest.fixture
def here(original: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the photos and of the run, which is told by ``--root`` where they are."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy" / "photos", tmp_path / "copy" / "run"


# -- what is written ---------------------------------------------------------------------------


def test_every_image_has_a_row(original: Path) -> None:
    run = original / "run"
    assert list(kept(run)) == [f"{number:02}.jpg" for number in range(COUNT)]
    counts = runs.config(run)["images"]
    assert {part: len(of_part(run, part)) for part in ("train", "val", "test", "unused")} == {
        "train": counts["train"], "val": counts["val"], "test": counts["test"], "unused": 0,
    }  # fmt: skip
    assert measured_on(run) == of_part(run, "test")


def test_it_is_the_whole_split_whatever_a_run_makes_of_it(original: Path, tmp_path: Path) -> None:
    """Before ``--limit``, ``--labels``, ``--train-on`` and unreadable images."""
    root = Path(shutil.copytree(original / "photos", tmp_path / "photos"))
    photos.truncate(root / "images" / of_part(original / "run", "train")[0])
    options = ("--limit", "4", "--labels", "3", "--train-on", "train+val")
    train(root, tmp_path / "run", *options).succeeded()
    assert kept(tmp_path / "run") == kept(original / "run")
    assert runs.config(tmp_path / "run")["images"]["train"] == 4


def test_it_is_there_before_the_first_step(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise StoppedError

    monkeypatch.setattr(Keeper, "on_train_batch_start", stop)
    with pytest.raises(StoppedError):
        train(original / "photos", tmp_path / "run")
    assert kept(tmp_path / "run") == kept(original / "run")


def test_images_that_a_split_leaves_out_are_unused(shared: Path, tmp_path: Path) -> None:
    """``paper`` takes the images with a box alone."""
    root = shared / "data" / "oxford-iiit-pet"
    line = ("train", "segnet-1task", *TINY_MODEL, "--data", "oxford-pet", "--root", root)
    line = (*line, "--split", "paper", "--limit", "5", "--epochs", "1")
    auxseg(*line, "--out", tmp_path / "run").succeeded()
    parts = kept(tmp_path / "run")
    boxes = {path.stem for path in (root / "annotations" / "xmls").glob("*.xml")}
    assert {name for name, part in parts.items() if part != "unused"} == {
        f"{stem}.jpg" for stem in boxes if f"{stem}.jpg" in parts
    }
    assert len(of_part(tmp_path / "run", "unused")) == 103


# -- photos and labels that come later ---------------------------------------------------------


def test_new_photos_do_not_move_the_test_images(here: tuple[Path, Path]) -> None:
    root, run = here
    before = runs.metrics(run, "test")
    add_photos(root)
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) == of_part(run, "test")
    assert runs.metrics(run, "test") == before


def test_classes_that_come_later_do_not_move_them_either(here: tuple[Path, Path]) -> None:
    """Splits are drawn class by class: with a labels.csv the draw is another one."""
    root, run = here
    rows = [f"{number:02}.jpg,{'cat' if number % 2 else 'dog'}" for number in range(COUNT)]
    photos.table(root, rows, header="image,label")
    auxseg("evaluate", run, "--root", root).succeeded()
    before = measured_on(run)
    assert before == of_part(run, "test")
    (run / "split.csv").unlink()
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) != before


def test_without_the_file_they_would_have_moved(here: tuple[Path, Path]) -> None:
    """A run of before splits were kept is drawn as it was then."""
    root, run = here
    before = measured_on(run)
    (run / "split.csv").unlink()
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) == before
    add_photos(root)
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) != before


def test_photos_that_are_gone_are_passed_over(here: tuple[Path, Path]) -> None:
    root, run = here
    gone, *others = of_part(run, "test")
    (root / "images" / gone).unlink()
    (root / "masks" / gone).with_suffix(".png").unlink()
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) == others
    for name in others:
        (root / "images" / name).unlink()
        (root / "masks" / name).with_suffix(".png").unlink()
    auxseg("evaluate", run, "--root", root).failed(1, "the test split of folder has no images")


def test_a_renamed_photo_is_a_new_one(here: tuple[Path, Path]) -> None:
    root, run = here
    first, *others = of_part(run, "test")
    (root / "images" / first).rename(root / "images" / "new-name.jpg")
    (root / "masks" / first).with_suffix(".png").rename(root / "masks" / "new-name.png")
    auxseg("evaluate", run, "--root", root).succeeded()
    assert measured_on(run) == others
    auxseg("evaluate", run, "--root", root, "--split", "train").succeeded()
    assert measured_on(run, "train") == sorted([*of_part(run, "train"), "new-name.jpg"])


def test_the_split_of_other_photos_is_told(here: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = here
    root = photos.folder(tmp_path / "others", count=3)
    for path in [*root.glob("*/*")]:
        path.rename(path.with_stem(f"other-{path.stem}"))
    outcome = auxseg("evaluate", run, "--split", "test", "--root", root)
    outcome.failed(1, str(run / "split.csv"), "none of its 10 images", "00.jpg")


def test_a_damaged_split_is_told(here: tuple[Path, Path]) -> None:
    root, run = here
    with (run / "split.csv").open("a", encoding="utf-8") as file:
        file.write("00.jpg,test\n")
    outcome = auxseg("evaluate", run, "--root", root)
    outcome.failed(1, str(run / "split.csv"), "line 12", "00.jpg")


# -- resuming ----------------------------------------------------------------------------------


def stopped_in_epoch_2(root: Path, run: Path, patch: pytest.MonkeyPatch) -> None:
    def stop(
        keeper: Keeper, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (1, 1):
            raise StoppedError

    patch.setattr(Keeper, "on_train_batch_start", stop)
    with pytest.raises(StoppedError):
        train(root, run, "--epochs", "2")


def test_a_resumed_run_keeps_its_split(
    here: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[int]
) -> None:
    """New photos are trained on from there on, and are noted as such."""
    root, _ = here
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stopped_in_epoch_2(root, run, patch)
    before = kept(run)
    add_photos(root)
    gone = of_part(run, "val")[0]
    (root / "images" / gone).unlink()
    (root / "masks" / gone).with_suffix(".png").unlink()
    seen.clear()
    outcome = train(root, run, "--epochs", "2", "--resume").succeeded()
    after = kept(run)
    assert {name: after[name] for name in before} == before
    assert {part for name, part in after.items() if name not in before} == {"train"}
    assert names(root, seen) == of_part(run, "train")
    assert f"{run / 'split.csv'}: 20 of 29 images are not in it and put into train" in outcome.err
    assert f"1 of its 10 images are gone and passed over (first: {gone})" in outcome.err
    # Other validation images than before: their record starts anew.
    assert records.validation(run)["epochs"].tolist() == [2]
    assert len(records.validation(run)["images"]) == len(of_part(run, "val")) - 1


def test_a_run_of_before_splits_were_kept_is_resumed(
    here: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is drawn as before, and kept from there on."""
    root, original = here
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stopped_in_epoch_2(root, run, patch)
    (run / "split.csv").unlink()
    train(root, run, "--epochs", "2", "--resume").succeeded()
    assert kept(run) == kept(original)


def test_other_classes_are_told_before_a_run_goes_on(
    here: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = here
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stopped_in_epoch_2(root, run, patch)
    before = runs.snapshot(run)
    (root / "classes.txt").write_text("sky\ndisc\nsea\n", encoding="utf-8")
    train(root, run, "--epochs", "2", "--resume").failed(2, "folder", "classes", "sea")
    assert runs.snapshot(run) == before


# -- --split FILE ------------------------------------------------------------------------------


def test_a_run_s_split_serves_another_run(here: tuple[Path, Path], tmp_path: Path) -> None:
    root, first = here
    add_photos(root)
    file, run = first / "split.csv", tmp_path / "run"
    outcome = train(root, run, "--split", file, "--seed", "3").succeeded()
    assert f"{file}: 20 of 30 images are not in it and put into train" in outcome.err
    before = kept(first)
    assert {name: part for name, part in kept(run).items() if name in before} == before
    assert len(of_part(run, "train")) == len(of_part(first, "train")) + 20
    auxseg("evaluate", run).succeeded()
    assert measured_on(run) == of_part(first, "test")
    # The run has its own copy.
    shutil.rmtree(first)
    auxseg("evaluate", run).succeeded()
    assert measured_on(run) == sorted(name for name in before if before[name] == "test")


def test_images_that_a_file_names_and_that_are_gone_keep_their_part(
    here: tuple[Path, Path], tmp_path: Path
) -> None:
    root, first = here
    gone = of_part(first, "test")[0]
    aside = (root / "images" / gone).rename(tmp_path / gone)
    mask = (root / "masks" / gone).with_suffix(".png")
    mask_aside = mask.rename(tmp_path / mask.name)
    train(root, tmp_path / "run", "--split", first / "split.csv").succeeded()
    assert kept(tmp_path / "run") == kept(first)
    aside.rename(root / "images" / gone)
    mask_aside.rename(mask)
    auxseg("evaluate", tmp_path / "run").succeeded()
    assert measured_on(tmp_path / "run") == of_part(first, "test")


def test_a_file_that_a_person_wrote(original: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    parts = ["train"] * 5 + ["val"] * 2 + ["test"] * 2 + ["unused"]
    rows = [f"{number:02}.jpg,{part}" for number, part in enumerate(parts)]
    file.write_text("\n".join(["image,part", *rows]), encoding="utf-8")
    outcome = auxseg(
        *("data", "prepare", "--data", "folder", "--root", original / "photos"),
        *("--split", file, "--image-size", "32"),
    ).succeeded()
    assert "train 5, val 2, test 2" in outcome.out
    train(original / "photos", tmp_path / "run", "--split", file).succeeded()
    assert list(kept(tmp_path / "run").values()) == parts


def test_a_file_of_drawings(tmp_path: Path) -> None:
    """Any data set takes one; ``study`` and ``reproduce``, too."""
    options = ("--data.options", "{train: 2, val: 2, test: 2}", "--epochs", "1")
    drawn = [f"{part}-{n:05d}.png" for part in ("train", "val", "test") for n in range(2)]
    file = tmp_path / "turned.csv"
    turned = ("test", "val", *["train"] * 4)
    rows = [f"{name},{part}" for name, part in zip(drawn, turned, strict=True)]
    file.write_text("\n".join(["image,part", *rows]) + "\n", encoding="utf-8")
    auxseg("train", *SYSTEM, *options, "--split", file, "--out", tmp_path / "run").succeeded()
    auxseg("evaluate", tmp_path / "run").succeeded()
    assert measured_on(tmp_path / "run") == ["train-00000.png"]
    with file.open("a", encoding="utf-8") as stream:
        stream.write("one cell\n")
    for verb in (("study", "--auxiliary", "edges"), ("reproduce", "--presets", "segnet-1task")):
        line = (*verb, *TINY_MODEL, *options, "--split", file, "--out", tmp_path / "out")
        auxseg(*line).failed(1, f"{file} line 8", "1 cells")


def test_a_malformed_file_is_told_before_anything_is_written(
    original: Path, tmp_path: Path
) -> None:
    file, run = tmp_path / "mine.csv", tmp_path / "run"
    train(original / "photos", run, "--split", file).failed(1, str(file), "No such file")
    file.write_text("image,part\n00.jpg,training\n", encoding="utf-8")
    outcome = train(original / "photos", run, "--split", file)
    outcome.failed(1, f"{file} line 2", "'training'", "train, val, test, unused")
    assert not run.exists()


def test_an_unknown_split_says_that_a_file_is_allowed(original: Path, tmp_path: Path) -> None:
    outcome = train(original / "photos", tmp_path / "run", "--split", "paper")
    outcome.failed(2, "'paper'", "stratified", "FILE.csv")


# -- --tuned -----------------------------------------------------------------------------------


def refit(run: Path, root: Path, out: Path, *options: str | Path) -> Outcome:
    line = ("train", "segnet-1task", "--tuned", run, "--root", root, "--out", out)
    return auxseg(*line, *options)


def test_a_final_fit_keeps_the_test_images_and_trains_on_later_ones(
    here: tuple[Path, Path], tmp_path: Path, seen: list[int]
) -> None:
    root, run = here
    add_photos(root)
    seen.clear()
    outcome = refit(run, root, tmp_path / "final").succeeded()
    assert not set(names(root, seen)) & set(of_part(run, "test"))
    assert {*of_part(run, "train"), *of_part(run, "val")} < set(names(root, seen))
    assert f"{run / 'split.csv'}: 20 of 30 images are not in it" in outcome.err
    before, after = kept(run), kept(tmp_path / "final")
    assert {name: after[name] for name in before} == before
    assert len(of_part(tmp_path / "final", "train")) == 20 + len(of_part(run, "train"))
    auxseg("evaluate", tmp_path / "final").succeeded()
    assert measured_on(tmp_path / "final") == of_part(run, "test")


def test_a_final_fit_is_resumed_on_the_same_split(
    here: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[int]
) -> None:
    """Photos that come while it is stopped are trained on, and test photos stay what they are."""
    root, run = here

    def stop(*_: object) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_start", stop)
        with pytest.raises(StoppedError):
            refit(run, root, tmp_path / "final")
    add_photos(root)
    seen.clear()
    refit(run, root, tmp_path / "final", "--resume").succeeded()
    assert not set(names(root, seen)) & set(of_part(run, "test"))
    assert {*of_part(run, "train"), *of_part(run, "val")} < set(names(root, seen))


def test_the_command_line_may_ask_for_another_split(
    here: tuple[Path, Path], tmp_path: Path
) -> None:
    root, run = here
    refit(run, root, tmp_path / "other", "--data.split_seed", "5").succeeded()
    train(root, tmp_path / "drawn", "--data.split_seed", "5").succeeded()
    assert kept(tmp_path / "other") == kept(tmp_path / "drawn") != kept(run)


def test_a_run_of_before_splits_were_kept_is_tuned_as_before(
    here: tuple[Path, Path], tmp_path: Path
) -> None:
    root, run = here
    before = kept(run)
    (run / "split.csv").unlink()
    refit(run, root, tmp_path / "final").succeeded()
    assert kept(tmp_path / "final") == before


# -- whatever else opens a run's data ----------------------------------------------------------


def test_the_report_shows_the_run_s_test_images(here: tuple[Path, Path]) -> None:
    root, run = here
    add_photos(root)
    shown = open_photos(find_systems([run]), "test", str(root))
    assert [shown.data.dataset.name(n) for n in shown.held_out] == of_part(run, "test")


@pytest.mark.thorough
def test_int8_is_measured_on_the_run_s_validation_images(
    here: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    root, run = here
    add_photos(root)
    line = ("export", run, "--int8", "--root", root, "--out", tmp_path / "net.onnx")
    assert f"on {len(of_part(run, 'val'))} validation images" in auxseg(*line).succeeded().out


def test_classes_of_other_data_are_told_wherever_a_run_s_data_are_opened(
    here: tuple[Path, Path],
) -> None:
    from auxseg.errors import UsageError

    root, run = here
    (root / "classes.txt").write_text("sky\ndisc\nsea\n", encoding="utf-8")
    with pytest.raises(UsageError, match="folder: its classes"):
        open_run_data(RunDirectory(run), str(root))


def test_runs_are_compared_by_the_images_they_keep(here: tuple[Path, Path], tmp_path: Path) -> None:
    """Not by how they came to them: drawn, from a file, before or after photos came."""
    root, _ = here
    first, same, later, seed = (tmp_path / name for name in ("first", "same", "later", "seed"))
    train(root, first).succeeded()
    train(root, same, "--split", first / "split.csv", "--seed", "1").succeeded()
    add_photos(root)
    train(root, later, "--balancer", "equal").succeeded()
    train(root, seed, "--seed", "2").succeeded()
    assert comparable(find_systems([first, same]), "val")
    assert not comparable(find_systems([first, later]), "val")
    # Of one system, but not measured on the same images.
    together = find_systems([first, seed])
    assert len(together) == 1
    assert "Not all were measured on the same images." in caption(together, "val")
    left_out = open_photos(find_systems([first, later]), "val", None).left_out
    assert left_out == ["segnet-1task (balancer equal)"]
    for run in (first, later):  # of before splits were kept: drawn by the same rule
        (run / "split.csv").unlink()
    assert [len(of_part(run, "val")) for run in (same, seed)] == [2, 6]
