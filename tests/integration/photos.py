"""Fabricates a user's folder of photos: a bright disc on noise, with mask, class and box."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

#: Of every photo, in pixels.
WIDTH, HEIGHT = 48, 40
HEADER = "image,label,xmin,ymin,xmax,ymax,split"


def photo(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 (H, W, 3): noise with the disc of :func:`mask`."""
    image = np.random.default_rng(number).integers(0, 100, (height, width, 3), dtype=np.uint8)
    image[mask(number, width, height) == 1] = (60, 200, 240)
    return image


def mask(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 (H, W): 0 background, 1 disc."""
    drawn = np.zeros((height, width), np.uint8)
    centre = (width // 3 + number % 5, height // 2)
    cv2.circle(drawn, centre, min(width, height) // 4, 1, -1)
    return drawn


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def truncate(path: Path) -> None:
    """Cuts a file in half, as a broken copy does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def row(number: int, *, label: bool = True, box: bool = True, part: str = "") -> str:
    """A line of labels.csv; what is left out is an empty cell."""
    species = ("cat", "dog")[number % 2] if label else ""
    corners = "6,10,26,30" if box else ",,,"
    return f"{number:02}.jpg,{species},{corners},{part}"


def part_of(number: int, count: int) -> str:
    """60/20/20 in order."""
    return "train" if number < 0.6 * count else "val" if number < 0.8 * count else "test"


def folder(root: Path, count: int = 20, masks: Iterable[int] | None = None) -> Path:
    """Photos 00.jpg, 01.jpg, …; masks of all or of some; no labels.csv."""
    for number in range(count):
        write(root / "images" / f"{number:02}.jpg", photo(number))
    for number in range(count) if masks is None else masks:
        write(root / "masks" / f"{number:02}.png", mask(number))
    return root


def table(root: Path, rows: Iterable[str], header: str = HEADER) -> Path:
    """Writes labels.csv."""
    path = root / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path
