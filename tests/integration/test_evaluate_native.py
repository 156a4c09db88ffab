"""``auxseg evaluate --native``: what the masks that predict writes are worth, pixel by pixel."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from . import photos, runs
from .command import TINY_MODEL, auxseg

SIZES = [(48, 40), (31, 77), (90, 33), (64, 64), (20, 21), (33, 32)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on photos of many sizes; the last of them have labels of another class, or none."""
    folder = tmp_path_factory.mktemp("native")
    root = folder / "photos"
    for number in range(18):
        width, height = SIZES[number % len(SIZES)]
        photos.write(root / "images" / f"{number:02}.png", photos.photo(number, width, height))
        mask = photos.mask(number, width, height)
        mask[:3] = 9  # not labelled
        if number != 17:
            photos.write(root / "masks" / f"{number:02}.png", mask)
    (root / "classes.txt").write_text("background\ndisc\n")
    photos.table(
        root, [f"{n:02}.png,{photos.part_of(n, 18)}" for n in range(18)], header="image,split"
    )
    line = ("train", "segnet-1task", "--data", "folder", "--root", root, *TINY_MODEL)
    auxseg(*line, "--ignore-index", "9", "--epochs", "3", "--out", folder / "run").succeeded()
    return folder / "run"


def counted(run: Path, out: Path) -> dict[str, np.ndarray]:
    """Photo → what the masks of predict come to against those of the files, (2, 2)."""
    root = run.parent / "photos"
    found = {}
    for number in range(18):
        if photos.part_of(number, 18) != "test" or number == 17:
            continue
        with Image.open(root / "masks" / f"{number:02}.png") as picture:
            truth = np.array(picture)
        with Image.open(out / f"{number:02}_mask.png") as picture:
            mask = np.array(picture)
        pairs = [[((truth == t) & (mask == p)).sum() for p in (0, 1)] for t in (0, 1)]
        found[f"{number:02}.png"] = np.array(pairs)
    return found


def ious(counts: np.ndarray) -> np.ndarray:
    hits = np.diag(counts)
    return np.asarray(hits / (counts.sum(axis=0) + counts.sum(axis=1) - hits))


@pytest.mark.parametrize("tta", [(), ("--tta", "flip")])
def test_it_is_what_predict_s_masks_come_to(tta: tuple[str, ...], run: Path) -> None:
    out = run.parent / f"masks{len(tta)}"
    auxseg("predict", run, run.parent / "photos" / "images", "--out", out, *tta).succeeded()
    expected = counted(run, out)
    outcome = auxseg("evaluate", run, "--native", *tta).succeeded()
    name = "test-tta-native" if tta else "test-native"
    metrics = runs.metrics(run, name)
    whole = np.sum(list(expected.values()), axis=0)
    assert metrics["segmentation/iou_per_class"] == pytest.approx([*ious(whole)])
    assert metrics["segmentation/iou"] == pytest.approx(ious(whole).mean())
    assert metrics["segmentation/pixel_accuracy"] == pytest.approx(np.trace(whole) / whole.sum())
    with (run / f"images-{name}.csv").open(newline="") as stream:
        scores = {row["image"]: float(row["segmentation/iou"]) for row in csv.DictReader(stream)}
    assert scores == pytest.approx(
        {photo: np.nanmean(ious(counts)) for photo, counts in expected.items()}
    )
    assert f"{whole[1].sum() / whole.sum():.2%}" in outcome.out


def test_beside_the_usual_metrics(run: Path) -> None:
    auxseg("evaluate", run).succeeded()
    before = runs.metrics(run, "test")
    auxseg("evaluate", run, "--native").succeeded()
    assert runs.metrics(run, "test") == before
    assert set(runs.metrics(run, "test-native")) == set(before)
