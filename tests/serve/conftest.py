"""A tiny trained network, and the application around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.predict import load
from tiny_run import tiny_run, with_both_classes

pytest.importorskip("fastapi")

from auxseg.serve.answers import Served


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run directory of an MTAN that was trained for an epoch on ``shapes``."""
    with tiny_run(tmp_path_factory, "mtan-3task") as out:
        yield with_both_classes(out, photo(0))


@pytest.fixture(scope="session")
def served(run: Path) -> Served:
    return Served("tiny", load(run, "cpu"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos of different sizes, the first with a mask; classes as the network has them."""
    root = tmp_path / "photos"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(5):
        Image.fromarray(photo(number)).save(root / "images" / f"{number}.png")
    Image.fromarray(np.eye(*photo(0).shape[:2], dtype=np.uint8)).save(root / "masks" / "0.png")
    (root / "classes.txt").write_text("background\nanimal\n", encoding="utf-8")
    return root


def photo(number: int) -> np.ndarray:
    """uint8 (30 + n, 40, 3)."""
    draw = np.random.default_rng(number)
    return draw.integers(0, 256, (30 + number, 40, 3), dtype=np.uint8)
