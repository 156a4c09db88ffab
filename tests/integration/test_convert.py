"""``auxseg data convert`` on the command line, and what is said of a folder that needs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from . import photos
from .command import TINY_MODEL, auxseg


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Twelve photos, each with a rectangle of one of two classes, in COCO's format."""
    root = tmp_path / "labelled"
    images, annotations = [], []
    for number in range(12):
        photos.write(root / "train" / f"{number}.jpg", photos.photo(number))
        height, width = photos.photo(number).shape[:2]
        entry = {"id": number, "file_name": f"{number}.jpg", "width": width, "height": height}
        images.append(entry)
        right, low = width / 2, height / 2
        outline = [[1, 1, right, 1, right, low, 1, low]]
        label = {"image_id": number, "category_id": 1 + number % 2, "segmentation": outline}
        annotations.append({"id": number, **label})
    categories = [{"id": 1, "name": "leaf"}, {"id": 2, "name": "stem"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def test_from_labels_to_a_trained_network(coco: Path, tmp_path: Path) -> None:
    """Training and checking say what the folder is; the command that they name mends it."""
    out, run = tmp_path / "photos", tmp_path / "run"
    line = ("train", "segnet-1task", *TINY_MODEL, "--epochs", "1", "--data", "folder")
    words = ("COCO JSON", f"auxseg data convert {coco} --out")
    auxseg(*line, "--root", coco, "--out", run).failed(1, *words)
    auxseg("data", "check", coco).failed(1, *words)
    done = auxseg("data", "convert", coco, "--out", out).succeeded()
    assert "12 photos, 12 with a mask; classes: background, leaf, stem" in done.out
    assert f"next: auxseg data check {out}" in done.out
    assert "no problems" in auxseg("data", "check", out).succeeded().out
    auxseg(*line, "--root", out, "--out", run).succeeded()
    mask = np.asarray(Image.open(out / "masks" / "3.png"))
    assert set(np.unique(mask)) == {0, 2}
    assert len((out / "labels.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, ("source",)),
        (("gone", "--out", "x"), 1, ("gone", "no such")),
        (("{coco}", "--out", "x", "--from", "paper"), 2, ("--from", "'paper'", "coco")),
        (("{coco}", "--out", "x", "--classes", "gone.txt"), 1, ("gone.txt",)),
        (("{coco}", "--out", "x", "--ignore-index", "300"), 2, ("ignore_index", "255")),
        (("{coco}", "--out", "x", "--from", "yolo"), 1, ("{coco}", "YOLO")),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...],
    status: int,
    words: tuple[str, ...],
    coco: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [one.replace("{coco}", str(coco)) for one in arguments]
    named = [one.replace("{coco}", str(coco)) for one in words]
    auxseg("data", "convert", *given).failed(status, *named)
    assert not (tmp_path / "x").exists()
