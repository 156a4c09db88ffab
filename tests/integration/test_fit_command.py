"""``auxseg fit``: from a folder to a model, a verdict and a report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import auxseg as package
from auxseg.data.checks import check_root
from auxseg.errors import DataError, UsageError
from auxseg.experiments.fit import fit as module
from auxseg.experiments.fit.interval import jackknife
from auxseg.experiments.fit.probe import Probed
from auxseg.runs.directory import RunDirectory

from . import photos, runs
from .command import Outcome, auxseg

pytest.importorskip("onnxruntime")

#: The rest is chosen by the verb.
TINY = (
    *("--width", "0.05", "--weights", "none", "--image-size", "32", "--accelerator", "cpu"),
    *("--minutes", "2", "--training.precision", "32-true"),
)


@pytest.fixture(scope="module")
def fitted(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Outcome]:
    """The folder, the run, and what was said. Copy before writing to it."""
    root = photos.folder(tmp_path_factory.mktemp("fit") / "photos", count=12)
    run = root.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        # A machine of always the same speed: 10 ms a step.
        patch.setattr(module, "probe", lambda config: Probed(0.01, 0.01, 0.5))
        patch.setattr("auxseg.experiments.fit.verdict.LEAST_STEPS", 0)
        patch.setattr("auxseg.experiments.fit.plan.ENOUGH_STEPS", 40)
        patch.setattr("auxseg.experiments.fit.plan.MOST_PASSES", 1)
        outcome = auxseg("fit", root, *TINY, "--out", run).succeeded()
    return root, run, outcome


def test_it_says_what_it_does_and_what_came_out(fitted: tuple[Path, Path, Outcome]) -> None:
    _, run, outcome = fitted
    lines = outcome.out.splitlines()
    opening = next(line for line in lines if line.startswith("unet-1task on cpu"))
    assert "6 photos to train on (6 with a mask), 6 to validate on; 2 classes" in opening
    assert "32×32 pixels, 40 steps, batches of 8" in opening
    (chosen,) = (line for line in lines if line.startswith("chosen: 32 × 32 pixels, 40 steps"))
    assert re.search(r"; about \d+ s in all, until \d\d:\d\d$", chosen)
    assert any(line.startswith("The masks agree with yours") for line in lines)
    assert any(line.startswith("What would help most:") for line in lines)
    assert [line.partition("  ")[0] for line in lines if line.startswith("step ")] == [
        f"step {step}/40" for step in range(4, 41, 4)
    ]
    assert {path.name for path in (run / "checkpoints").iterdir()} == {
        "best.safetensors",
        "last.ckpt",
    }
    assert lines[-1] == f"next: auxseg predict {run} NEW_PHOTOS --out predictions"
    assert (run / "report" / "report.html").stat().st_size > 10_000
    assert "What would help most:" in (run / "summary.md").read_text(encoding="utf-8")
    config, _ = RunDirectory(run).read_config()
    assert (config.training.steps, config.training.validate_every) == (40, 4)
    assert config.training.channels_last


def test_the_figure_is_that_of_evaluate(fitted: tuple[Path, Path, Outcome]) -> None:
    """At the photos' own size, on the part that was held back: of so few masks, val."""
    _, run, outcome = fitted
    told = json.loads((run / "metrics-val-native.json").read_text())["segmentation/iou"]
    assert f"IoU {told:.3f} (" in outcome.out
    before = runs.snapshot(run)["metrics-val-native.json"]
    auxseg("evaluate", run, "--split", "val", "--native").succeeded()
    assert runs.snapshot(run)["metrics-val-native.json"][0] == before[0]


def test_the_exported_model_predicts(fitted: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    root, run, _ = fitted
    for network, out in ((run / "model.onnx", "a"), (run, "b")):
        line = ("predict", network, root / "images" / "03.jpg", "--out", tmp_path / out)
        auxseg(*line).succeeded()
    one, other = (np.asarray(Image.open(tmp_path / out / "03_mask.png")) for out in "ab")
    assert (one != other).mean() < 0.01


@pytest.mark.thorough
def test_again_trains_nothing_more(fitted: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    """Also where the photos lie elsewhere by now."""
    root, run, _ = fitted
    weights = (run / "checkpoints" / "best.safetensors").read_bytes()
    moved = shutil.copytree(root, tmp_path / "moved")
    outcome = auxseg("fit", moved, *TINY, "--out", run).succeeded()
    assert "goes on with what was chosen" in outcome.out
    assert "already finished" in outcome.out
    assert (run / "checkpoints" / "best.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (("--seed", "3"), ("training.seed", "3", "--out")),
        (("--minutes", "9"), ("2 minutes", "9")),
    ],
)
def test_it_goes_on_with_nothing_else(
    further: tuple[str, ...], words: tuple[str, ...], fitted: tuple[Path, Path, Outcome]
) -> None:
    root, run, _ = fitted
    auxseg("fit", root, *TINY, *further, "--out", run).failed(2, *words)


@pytest.mark.thorough
def test_a_stopped_fit_goes_on(fitted: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    """Stopped after two validations: the same command ends with the same weights."""
    root, run, _ = fitted
    half = Path(shutil.copytree(run, tmp_path / "half"))
    for name in ("metrics-val.json", "metrics-val-native.json", "model.onnx", "summary.md"):
        (half / name).unlink()
    shutil.rmtree(half / "report")
    shutil.rmtree(half / "checkpoints")
    (half / "history.csv").unlink()
    auxseg("fit", root, *TINY, "--out", half).succeeded()
    one, other = (load_file(folder / "checkpoints" / "best.safetensors") for folder in (half, run))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (half / "metrics-val-native.json").read_bytes() == (
        run / "metrics-val-native.json"
    ).read_bytes()
    assert (half / "model.onnx").exists()


def test_somebody_else_s_folder_is_left_alone(
    fitted: tuple[Path, Path, Outcome], trained: Path, tmp_path: Path
) -> None:
    root, _, _ = fitted
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "model.onnx").write_text("mine")
    auxseg("fit", root, *TINY, "--out", run).failed(2, str(run), "choose another --out")
    assert (run / "model.onnx").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--training.stop_after", "2"), ("training.stop_after",)),
        (("--train-on", "train+val"), ("data.train_on", "holds back")),
        (("--tasks.names", "[denoising]"), ("tasks.names", "denoising")),
        (("--tasks.names", "[edges,segmentation]"), ("tasks.names", "edges")),
    ],
)
def test_what_cannot_work_is_said_at_once(
    options: tuple[str, ...],
    words: tuple[str, ...],
    fitted: tuple[Path, Path, Outcome],
    tmp_path: Path,
) -> None:
    auxseg("fit", fitted[0], *options, "--out", tmp_path / "run").failed(2, *words)
    assert not (tmp_path / "run").exists()


def test_a_split_file_decides(fitted: tuple[Path, Path, Outcome], tmp_path: Path) -> None:
    """Where the folder's own column would leave nothing to validate on."""
    root = Path(shutil.copytree(fitted[0], tmp_path / "photos"))
    rows = [f"{photo.name},train" for photo in (root / "images").iterdir()]
    (root / "labels.csv").write_text("\n".join(["image,split", *rows]))
    auxseg("fit", root, *TINY, "--out", tmp_path / "run").failed(1, "images in val")
    kept = fitted[1] / "split.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "train", lambda *_, **__: pytest.fail("far enough", pytrace=False))
        patch.setattr(module, "probe", lambda config: Probed(0.01, 0.01, 0.5))
        with pytest.raises(pytest.fail.Exception, match="far enough"):
            auxseg("fit", root, *TINY, "--split", kept, "--out", tmp_path / "run")


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=4)
    auxseg("fit", root, "--minutes", "0", "--out", tmp_path / "run").failed(2, "--minutes")
    auxseg("fit", tmp_path / "gone", "--out", tmp_path / "run").failed(1, "gone")
    line = ("fit", root, "--training.epochs", "3", "--out", tmp_path / "run")
    auxseg(*line).failed(2, "training.epochs")
    (root / "masks" / "00.png").write_bytes(b"no mask")
    auxseg("fit", root, "--out", tmp_path / "run").failed(1, "00.png", "auxseg data check")
    with pytest.raises(DataError, match=f"the data lie in {root}"):
        package.fit(tmp_path, out=tmp_path / "run")
    with pytest.raises(UsageError, match="minutes"):
        package.fit(photos.folder(tmp_path / "more", count=12), out=tmp_path / "run", minutes=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_the_time_is_measured_here(tmp_path: Path) -> None:
    """A real probe; half a minute is too short for more than a few steps."""
    root = photos.folder(tmp_path / "photos", count=12)
    line = ("fit", root, *TINY, "--minutes", "0.5", "--out", tmp_path / "run")
    outcome = auxseg(*line).succeeded()
    assert "announced" in outcome.out
    rows = RunDirectory(tmp_path / "run").read_history()
    assert 1 <= len(rows) <= 10


@pytest.mark.parametrize("options", [{}, {"split": "masked"}], ids=["drawn", "said"])
def test_photos_that_look_alike_are_kept_in_one_part(
    options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty photos, each of them there three times: unless told otherwise, no copy is measured."""
    root = photos.folder(tmp_path / "photos", count=20)
    for folder in ("images", "masks"):
        for file in sorted((root / folder).iterdir()):
            for copy in ("a", "b"):
                shutil.copy(file, file.with_stem(f"{copy}-{file.stem}"))
    asked = []
    monkeypatch.setattr(module, "fit", lambda request, out: asked.append(request))
    package.fit(root, out=tmp_path / "run", minutes=1, **options)
    (request,) = asked
    split, name = request.report.split, request.report.dataset.name
    trained, measured = (
        {name(number).rpartition("-")[2] for number in part}
        for part in (split.train, (*split.val, *split.test))
    )
    assert bool(trained & measured) == bool(options)
    expected = options.get("split", "grouped")
    assert request.configure({}).data.split == expected


def test_photos_that_look_alike_count_as_one(tmp_path: Path) -> None:
    """Ten scenes, six times each: the interval is that of ten photos, not of sixty."""
    root = photos.folder(tmp_path / "photos", count=10)
    for number in range(10):
        noise = np.random.default_rng(number).integers(0, 255, (5, 6, 3), dtype=np.uint8)
        photos.write(
            root / "images" / f"{number:02}.jpg", np.kron(noise, np.ones((8, 8, 1), np.uint8))
        )
        for copy in range(5):
            for folder, ending in (("images", "jpg"), ("masks", "png")):
                file = root / folder / f"{number:02}.{ending}"
                shutil.copy(file, file.with_stem(f"{number:02}-{copy}"))
    report = check_root(root)
    draw = np.random.default_rng(0)
    scenes = [draw.integers(1, 99, (2, 2)) for _ in range(10)]
    names = [report.dataset.name(number) for number in range(60)]
    by_photo = {number: scenes[int(name[:2])] for number, name in enumerate(names)}
    found = module._independent(report, by_photo)
    assert len(found) == 10
    alone, together = jackknife(scenes), jackknife(found)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert together.high - together.low > 2 * (
        jackknife(list(by_photo.values())).high - jackknife(list(by_photo.values())).low
    )


def test_minutes_that_are_much_too_few_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seconds a step: ten of them fit into half a minute of training, which teach nothing."""
    monkeypatch.setattr(module, "probe", lambda config: Probed(3.0, 0.1, 0.5))
    root = photos.folder(tmp_path / "photos", count=12)
    line = ("fit", root, *TINY[:-4], "--minutes", "1", "--out", tmp_path / "run")
    words = auxseg(*line).status, auxseg(*line).err
    assert words[0] == 2
    assert re.search(r"minutes: 1 are too few here.*give --minutes [4-6] or more", words[1])
    assert not (tmp_path / "run").exists()
