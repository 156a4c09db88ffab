"""``--with`` and ``--tta`` of predict and evaluate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.fits import Stretch
from auxseg.errors import UsageError
from auxseg.predict import load
from auxseg.predict.ensemble import Ensemble
from auxseg.predict.network import Network, Outputs
from auxseg.runs.averaging import parse_looks

from . import photos, runs
from .command import TINY, auxseg


@pytest.fixture(scope="module")
def pair(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of other seeds; the second one learns less beside segmentation."""
    folder = tmp_path_factory.mktemp("pair")
    for preset, seed in (("segnet-3task", 0), ("mtan-no-bbox", 1)):
        line = ("train", preset, *TINY, "--epochs", "2", "--seed", str(seed))
        auxseg(*line, "--out", folder / str(seed)).succeeded()
    return folder / "0", folder / "1"


def test_an_ensemble_predicts_the_mean(pair: tuple[Path, Path], tmp_path: Path) -> None:
    photo = photos.write(tmp_path / "cat.png", photos.photo(0, 64, 64))
    line = ("predict", pair[0], photo, "--out", tmp_path / "out", "--probabilities", "npz")
    auxseg(*line, "--with", pair[1]).succeeded()
    both = [load(run).predict(photo, probabilities=True) for run in pair]
    # Averaged at the network's size, and enlarged then: not the same to the last digit.
    expected = np.mean([np.stack(list(one.probabilities or ())) for one in both], axis=0)
    with np.load(tmp_path / "out" / "cat_probabilities.npz") as arrays:
        np.testing.assert_allclose(arrays["probabilities"], expected, atol=0.02)
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert entry["box"] is None  # the second one has none
    chances = [one.outputs["classification"] for one in both]
    cat = np.mean([c.probability if c.name == "cat" else 1 - c.probability for c in chances])
    assert entry["probability"] == pytest.approx(max(cat, 1 - cat), abs=1e-5)


def test_other_looks_predict_anew(pair: tuple[Path, Path], tmp_path: Path) -> None:
    photo = photos.write(tmp_path / "cat.png", photos.photo(0, 64, 64))
    line = ("predict", pair[0], photo, "--out", tmp_path / "out")
    masks = []
    for further in ((), ("--tta", "flip"), ("--tta", "flip,1.5"), ("--with", pair[1])):
        outcome = auxseg(*line, *further).succeeded()
        assert "1 of 1 images" in outcome.out
        assert "before" not in outcome.out
        with Image.open(tmp_path / "out" / "cat_mask.png") as mask:
            masks.append(np.array(mask))
    assert "1 of them before" in auxseg(*line, "--with", pair[1]).succeeded().out


def test_evaluating_an_ensemble(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(pair[0], tmp_path / "run"))
    line = ("evaluate", run, "--split", "val")
    auxseg(*line).succeeded()
    before = runs.metrics(run, "val")
    auxseg(*line, "--with", run).succeeded()  # twice the same
    assert runs.metrics(run, "val-ensemble")["segmentation/iou"] == pytest.approx(
        before["segmentation/iou"], abs=1e-4
    )
    auxseg(*line, "--with", pair[1]).succeeded()
    both = runs.metrics(run, "val-ensemble")
    assert {key.split("/")[0] for key in both} == {"segmentation", "classification"}
    assert runs.metrics(run, "val") == before


def test_evaluating_with_further_looks(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(pair[0], tmp_path / "run"))
    auxseg("evaluate", run, "--tta", "flip,0.75").succeeded()
    assert runs.metrics(run, "test-tta").keys() == runs.metrics(pair[0], "val").keys()
    assert not (run / "metrics-test.json").exists()
    assert (run / "confusion-segmentation-test-tta.csv").is_file()


def test_what_does_not_go_together(pair: tuple[Path, Path], tmp_path: Path, trained: Path) -> None:
    larger = tmp_path / "larger"
    auxseg("train", "segnet-1task", *TINY, "--image-size", "64", "--epochs", "1",
           "--out", larger).succeeded()  # fmt: skip
    photo = photos.write(tmp_path / "cat.png", photos.photo(0, 64, 64))
    for line in (("evaluate", pair[0]), ("predict", pair[0], photo, "--out", tmp_path / "out")):
        auxseg(*line, "--with", larger).failed(2, str(larger), "64×64", "32×32")
        auxseg(*line, "--tta", "twice").failed(2, "--tta: 'twice'")
        auxseg(*line, "--with", tmp_path / "none").failed(1, str(tmp_path / "none"))


def test_attention_is_of_one_network_and_one_look(pair: tuple[Path, Path], tmp_path: Path) -> None:
    photo = photos.write(tmp_path / "cat.png", photos.photo(0, 64, 64))
    line = ("predict", pair[1], photo, "--out", tmp_path / "out", "--attention")
    auxseg(*line, "--tta", "flip").failed(2, "--attention", "no effect with --tta")
    auxseg(*line, "--with", pair[0]).failed(2, "--attention", "no effect with --with")


@pytest.mark.thorough
def test_exported_files_answer_together(pair: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "run.onnx"
    auxseg("export", pair[0], "--input", "picture", "--out", file).succeeded()
    photo = photos.photo(0, 64, 64)
    both = load(pair[0], others=[pair[1]], tta=["flip", "0.75"]).predict(photo, probabilities=True)
    found = load(file, others=[pair[1]], tta=["flip", "0.75"]).predict(photo, probabilities=True)
    for one, other in zip(both.probabilities or (), found.probabilities or (), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_file_of_one_size_has_no_scales() -> None:
    class Fixed(Network):
        preset, tasks, fit, any_size = "fixed", {}, Stretch(32), False

        def __call__(self, *args: object, **settings: object) -> Outputs:
            raise AssertionError

    with pytest.raises(UsageError, match=r"fixed\.onnx takes pictures of 32×32 pixels only"):
        Ensemble({"fixed.onnx": Fixed()}, parse_looks(["flip", "0.5"]))


def test_no_run_is_measured_on_what_it_was_trained_on(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=12)
    paths = []
    for seed in (0, 1):
        paths.append(tmp_path / str(seed))
        line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY[2:])
        split = ("--split", "stratified", "--data.split_seed", str(seed))
        auxseg(*line, *split, "--epochs", "1", "--out", paths[-1]).succeeded()
    said = auxseg("evaluate", paths[0], "--with", paths[1])
    said.failed(1, str(paths[1]), "was trained on", "of the 2 images of test")
    final = tmp_path / "final"
    options = (*TINY[2:], "--split", "stratified", "--train-on", "train+val", "--epochs", "1")
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *options)
    auxseg(*line, "--out", final).succeeded()
    said = auxseg("evaluate", paths[0], "--split", "val", "--with", final)
    said.failed(1, str(final), "was trained on 3 of the 3 images of val")
