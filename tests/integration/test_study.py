"""``auxseg study`` from the command line, on drawings, in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxseg.errors import DataError
from auxseg.experiments import launchers
from auxseg.runs.directory import RunDirectory

from . import photos, runs
from .command import TINY, TINY_MODEL, auxseg
from .opened import count_opened

CANDIDATES = ("bbox", "edges")
LINE = (
    *("study", *TINY, "--epochs", "2", "--model.architecture", "hard-sharing"),
    *("--auxiliary", ",".join(CANDIDATES), "--seeds", "2", "--labels", "8,all"),
)


def in_this_process(jobs: int | None) -> Any:
    """Stands for processes of their own, which take seconds to start."""
    return launchers.one_by_one


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "Processes", in_this_process)


@pytest.fixture(scope="module")
def study(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole study, and what it printed. Copy before writing to it."""
    out = tmp_path_factory.mktemp("study") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launchers, "Processes", in_this_process)
        outcome = auxseg(*LINE, "--out", out).succeeded()
    return out, outcome.out


def contents(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "study.json").read_text(encoding="utf-8")))


def test_every_system_was_trained_with_every_seed(study: tuple[Path, str]) -> None:
    out, _ = study
    systems = ["segmentation", *(f"segmentation+{task}" for task in CANDIDATES)]
    names = {f"{one}{labels}" for one in systems for labels in ("", "-labels8")} | {*CANDIDATES}
    expected = {f"{name}-seed{seed}" for name in names for seed in (0, 1)}
    assert {path.name for path in (out / "runs").iterdir() if path.is_dir()} == expected


def test_the_figures_are_those_of_the_last_epoch(study: tuple[Path, str]) -> None:
    """The JSON's values against the histories, which another part of the program wrote."""
    out, _ = study
    for system in contents(out)["systems"]:
        labels = "" if system["labels"] == "all" else f"-labels{system['labels']}"
        for seed, value in system["values"].items():
            run = out / "runs" / f"{'+'.join(system['tasks'])}{labels}-seed{seed}"
            last = runs.history(run)[-1]["val/segmentation/iou"]
            assert value == pytest.approx(float(last), abs=1e-5)


def test_differences_are_paired_by_seed(study: tuple[Path, str]) -> None:
    systems = contents(study[0])["systems"]
    for system in systems:
        base = next(
            one
            for one in systems
            if one["labels"] == system["labels"] and one["tasks"] == ["segmentation"]
        )
        if system is base:
            assert system["effect"] is None
            continue
        paired = [system["values"][seed] - base["values"][seed] for seed in ("0", "1")]
        assert system["effect"]["difference"] == pytest.approx(np.mean(paired), abs=1e-6)
        assert system["effect"]["comparisons"] == 4


def test_delta_m_by_hand(study: tuple[Path, str]) -> None:
    """IoU: more is better; box L2: less is better. Each against its own single-task run."""
    out, _ = study
    system = next(
        one
        for one in contents(out)["systems"]
        if one["labels"] == "8" and one["tasks"] == ["segmentation", "bbox"]
    )

    def last(run: str, metric: str) -> float:
        return float(runs.history(out / "runs" / run)[-1][f"val/{metric}"])

    both = [last("segmentation+bbox-labels8-seed0", m) for m in ("segmentation/iou", "bbox/l2")]
    iou, square = last("segmentation-labels8-seed0", "segmentation/iou"), last(
        "bbox-seed0", "bbox/l2"
    )  # fmt: skip
    expected = 100 * ((both[0] - iou) / iou - (both[1] - square) / square) / 2
    assert system["delta_m"][0] == pytest.approx(expected, rel=1e-4)


def test_labels_keep_masks_and_nothing_else_changes(study: tuple[Path, str]) -> None:
    few = RunDirectory(study[0] / "runs" / "segmentation+bbox-labels8-seed0")
    assert few.read_counts()["masks"] == 8
    assert few.read_counts()["train"] == 20


def test_what_was_written(study: tuple[Path, str]) -> None:
    out, printed = study
    page = (out / "study.html").read_text(encoding="utf-8")
    for text in ("cannot tell", "Conflict", "Labels: learning curves", "Δm"):
        assert text in page
    assert "| labels |" in (out / "study.md").read_text(encoding="utf-8")
    assert (out / "study.csv").read_text(encoding="utf-8").startswith("labels,")
    assert "bbox with 8 labels:" in printed
    assert {path.stem for path in (out / "figures").iterdir()} == {
        "effects",
        "labels",
        "epochs",
        "conflict",
    }


def test_checkpoints_are_slim_and_hold_the_last_weights(study: tuple[Path, str]) -> None:
    run = study[0] / "runs" / "segmentation-seed0"
    assert not (run / "checkpoints" / "last.ckpt").exists()
    assert set(RunDirectory(run).read_last()) == set(runs.best(run))


@pytest.mark.thorough
def test_the_same_command_trains_nothing(
    study: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    before = runs.snapshot(out / "runs")
    outcome = auxseg(*LINE, "--out", out).succeeded()
    assert "16 of 16 runs are there already" in outcome.out
    assert runs.snapshot(out / "runs") == before


@pytest.mark.thorough
def test_a_study_grows(study: tuple[Path, str], tmp_path: Path) -> None:
    """Another seed: four runs, and those that are there stay."""
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    line = (*LINE, "--seeds", "3", "--labels", "all", "--delta-m", "false", "--out", out)
    outcome = auxseg(*line).succeeded()
    assert "6 of 9 runs are there already" in outcome.out
    assert list(contents(out)["systems"][0]["values"]) == ["0", "1", "2"]


@pytest.mark.thorough
def test_pairs_and_the_effect_of_a_task_over_them(study: tuple[Path, str], tmp_path: Path) -> None:
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    auxseg(*LINE, "--labels", "all", "--design", "pairs", "--out", out).succeeded()
    found = contents(out)
    value = {tuple(one["tasks"][1:]): one["mean"] for one in found["systems"]}
    assert len(value) == 4
    alone = value["bbox",] - value[()]
    joined = value["bbox", "edges"] - value["edges",]
    effect = next(one for one in found["tasks"] if one["task"] == "bbox")["effect"]
    assert effect["difference"] == pytest.approx((alone + joined) / 2, abs=1e-6)


@pytest.mark.thorough
def test_collecting_an_unfinished_study(study: tuple[Path, str], tmp_path: Path) -> None:
    """A seed that one system lacks counts for none; the page says so."""
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    shutil.rmtree(out / "runs" / "segmentation+edges-seed1")
    outcome = auxseg(*LINE, "--collect", "--out", out).succeeded()
    assert "1 runs are not finished" in outcome.out
    systems = contents(out)["systems"]
    assert {one["labels"]: len(one["values"]) for one in systems} == {"8": 2, "all": 1}
    assert not (out / "runs" / "segmentation+edges-seed1").exists()
    assert "Not finished yet" in (out / "study.html").read_text(encoding="utf-8")


def test_other_options_in_the_same_folder_are_refused(study: tuple[Path, str]) -> None:
    auxseg(*LINE, "--training.lr", "0.1", "--out", study[0]).failed(2, "training.lr", "--out")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--auxiliary", "boxes"), ("boxes", "bbox")),
        (("--auxiliary", "segmentation"), ("segmentation",)),
        (("--target", "masks"), ("masks",)),
        (("--labels", "many"), ("--labels", "many")),
        (("--labels", "8,8"), ("--labels", "8")),
        (("--labels", "500"), ("500", "20")),
        (("--design", "triples"), ("triples", "pairs")),
        (("--seeds", "0"), ("--seeds",)),
        (("--average", "3"), ("--average", "2")),
        (("--tasks.weights", "{bbox: 0.3}", "--balancer", "dwa"), ("tasks.weights", "dwa")),
        (("--cluster", "moon"), ("--cluster", "moon")),
        (("--tasks.options", "{edgess: {low: 1}}"), ("edgess", "bbox")),
        (("--devices", "2"), ("devices", "--jobs")),
        (("--target", "bbox", "--auxiliary", "edges"), ("--labels", "bbox")),
        (("--training.precision", "16-mixed"), ("training.conflict_every",)),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    auxseg(*LINE, *arguments, "--out", tmp_path / "out").failed(2, *words)
    assert not (tmp_path / "out" / "runs").exists()


def test_a_run_stopped_before_it_was_slimmed(study: tuple[Path, str], tmp_path: Path) -> None:
    """Its last weights are still in the checkpoint that resuming would have used."""
    run = tmp_path / "run"
    auxseg("train", "segnet-1task", *TINY, "--epochs", "1", "--out", run).succeeded()
    weights = RunDirectory(run).read_last()
    assert set(weights) == set(runs.best(run))
    (run / "checkpoints" / "last.safetensors").unlink()
    with pytest.raises(DataError, match="last weights are gone"):
        RunDirectory(run).read_last()


def test_a_system_that_fails_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from auxseg.errors import TrainingError
    from auxseg.experiments.study import run as module

    train = module.train

    def failing(config: Any, *arguments: Any, **options: Any) -> Any:
        if "edges" in config.tasks.names:
            raise TrainingError("the loss is not a number")
        return train(config, *arguments, **options)

    monkeypatch.setattr(module, "train", failing)
    line = (*LINE, "--labels", "all", "--seeds", "1", "--delta-m", "false")
    outcome = auxseg(*line, "--out", tmp_path / "out")
    assert outcome.status == 1
    assert "segmentation+edges-seed0: failed: the loss is not a number" in outcome.out
    assert "no seed is complete yet" in outcome.err


@pytest.mark.thorough
def test_runs_farmed_out_by_submitit(tmp_path: Path) -> None:
    """The local executor stands for a cluster."""
    pytest.importorskip("submitit")
    line = (*LINE, "--labels", "all", "--seeds", "1", "--delta-m", "false", "--auxiliary", "bbox")
    out = tmp_path / "out"
    outcome = auxseg(*line, "--cluster", "local", "--out", out).succeeded()
    assert "2 jobs submitted" in outcome.out
    assert len(contents(out)["systems"]) == 2
    assert any((out / "cluster").iterdir())


# -- the data --------------------------------------------------------------------------------------


def nothing_runs(work: Any, items: Any) -> Any:
    """Stands for processes of their own, in which runs open their data themselves."""
    return iter([(name, "trained elsewhere") for name in items])


def best_wins(results: Any) -> Any:
    """Stands for a system that helps: in so few epochs none does."""
    return {labels: next(r for r in rows if r.against) for labels, rows in results.rows.items()}


@pytest.mark.parametrize("auxiliary", [(), ("--auxiliary", "edges,denoising")])
def test_a_study_opens_its_data_once(
    auxiliary: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To find the candidates, to check them and the numbers of labels, with unlabelled photos."""
    monkeypatch.setattr(launchers, "Processes", lambda jobs: nothing_runs)
    further = photos.folder(tmp_path / "further", count=3) / "images"
    opened = count_opened(monkeypatch)
    line = ("study", *TINY, "--epochs", "1", "--labels", "4,8,all", *auxiliary)
    outcome = auxseg(*line, "--unlabelled", further, "--out", tmp_path / "out")
    assert "trained elsewhere" in outcome.out
    assert opened == {"Shapes": 1, "Unlabelled": 1, "decoded": 2}


@pytest.mark.thorough
def test_collecting_and_confirming_open_no_more(
    study: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    monkeypatch.setattr("auxseg.experiments.study.confirm.winners", best_wins)
    opened = count_opened(monkeypatch)
    auxseg(*LINE, "--collect", "--out", out).succeeded()
    assert opened == {"Shapes": 1, "decoded": 1}
    assert len(list(out.glob("runs/*/test.npz"))) == 8


def folder_study(root: Path, out: Path, *options: str) -> Any:
    line = ("study", *TINY_MODEL, "--batch-size", "2", "--epochs", "1", "--auxiliary", "edges")
    fixed = ("--data", "folder", "--root", root, "--delta-m", "false", "--out", out)
    fixed = (*fixed, "--split", "stratified")  # masked draws no test part of so few masks
    return auxseg(*line, "--model.architecture", "hard-sharing", *fixed, *options)


@pytest.fixture
def of_photos(tmp_path: Path) -> tuple[Path, Path]:
    """A study on a folder of ten photos, and the folder."""
    root = photos.folder(tmp_path / "photos", count=10)
    folder_study(root, tmp_path / "out", "--seeds", "2").succeeded()
    return tmp_path / "out", root


def add_photos(root: Path) -> None:
    for number in range(50, 60):
        photos.write(root / "images" / f"{number}.jpg", photos.photo(number))
        photos.write(root / "masks" / f"{number}.png", photos.mask(number))


def test_the_confirmation_takes_the_test_images_of_the_runs(
    of_photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos that came since are none of them."""
    out, root = of_photos
    monkeypatch.setattr("auxseg.experiments.study.confirm.winners", best_wins)
    add_photos(root)
    folder_study(root, out, "--seeds", "2", "--collect").succeeded()
    for seed in (0, 1):
        run = RunDirectory(out / "runs" / f"segmentation-seed{seed}")
        kept, tested = run.read_split(), run.read_test()
        assert kept is not None
        assert tested is not None
        expected = [int(name[:2]) for name, part in kept.parts.items() if part == "test"]
        assert tested.images.tolist() == expected
        assert max(expected) < 10


@pytest.mark.thorough
def test_without_test_images_nothing_is_confirmed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.experiments.study.confirm.winners", best_wins)
    monkeypatch.setattr("auxseg.experiments.study.tables.winners", best_wins)
    root = photos.folder(tmp_path / "photos", count=6)
    outcome = folder_study(root, tmp_path / "out", "--seeds", "2", "--split", "masked").succeeded()
    assert "not confirmed on the test images: there are none with a label" in outcome.out
    assert not list((tmp_path / "out").glob("runs/*/test.npz"))


def test_runs_on_other_photos_are_not_compared(of_photos: tuple[Path, Path]) -> None:
    """A seed that was added after photos were: its training images are other ones."""
    out, root = of_photos
    add_photos(root)
    folder_study(root, out, "--seeds", "3").failed(1, "segmentation-seed2", "other images")


def test_a_run_that_went_on_with_more_photos_is_not_compared(of_photos: tuple[Path, Path]) -> None:
    """Validated on the same images, trained on more."""
    out, root = of_photos
    run = out / "runs" / "segmentation-seed1"
    split = (run / "split.csv").read_text(encoding="utf-8")
    (run / "split.csv").write_text(f"{split}50.jpg,train\n", encoding="utf-8")
    outcome = folder_study(root, out, "--seeds", "2", "--collect")
    outcome.failed(1, "segmentation-seed1", "other images")


def test_a_run_whose_record_is_shorter_than_the_average_is_told(
    study: tuple[Path, str], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(study[0], tmp_path / "out"))
    run = RunDirectory(out / "runs" / "segmentation-seed1")
    validation = run.read_validation()
    assert validation is not None
    run.drop_after(0)
    for row in runs.history(study[0] / "runs" / "segmentation-seed1"):
        run.append_history(row)
    run.append_validation(2, validation.images, validation.counts[1])
    outcome = auxseg(*LINE, "--average", "2", "--collect", "--out", out)
    outcome.failed(1, str(run.validation_file), "1 of the last 2 epochs")
