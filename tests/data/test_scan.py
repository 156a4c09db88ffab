"""What masks hold together: palettes that disagree, resized masks, values that are slips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from auxseg.data.datasets.folder import scan
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.problems import DataProblemsError

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def objects(value: int = 1, size: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[5:20, 8:30] = value
    return mask


def saved(path: Path, mask: np.ndarray, *palette: tuple[int, int, int]) -> Path:
    image = Image.fromarray(mask)
    if palette:
        image = Image.fromarray(mask, "P")
        image.putpalette([channel for colour in palette for channel in colour])
    image.save(path)
    return path


def scanned(*paths: Path) -> list[scan.ScannedMask]:
    found, problems = scan.scan(paths)
    assert problems == []
    return found


def test_palettes_that_agree(tmp_path: Path) -> None:
    """Entries of values that do not occur mean nothing; grey files have no palette."""
    a = saved(tmp_path / "a.png", objects(), BLACK, RED, WHITE)
    b = saved(tmp_path / "b.png", objects(), BLACK, RED, BLACK)
    c = saved(tmp_path / "c.png", objects())
    assert scan.contradictions(scanned(a, b, c)) == []
    assert scan.remarks(scanned(a, b, c)) == ()


def test_palettes_that_contradict_each_other(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.png", objects(), BLACK, WHITE)
    b = saved(tmp_path / "b.png", 1 - objects(), WHITE, BLACK)
    (line,) = scan.contradictions(scanned(a, b))
    assert line.startswith(f"{b}: its palette shows index 0 as 255 255 255")
    assert "a.png as 0 0 0" in line


def test_a_palette_with_a_white_background(tmp_path: Path) -> None:
    a = saved(tmp_path / "a.png", objects(), WHITE, BLACK)
    (line,) = scan.remarks(scanned(a))
    assert "index 0 in white and 1 in black" in line


@pytest.mark.parametrize("names", [None, "back\nfront\n", "back\nfront\nmore\n"])
def test_contradictions_stop_training_with_and_without_a_list_of_classes(
    names: str | None, tmp_path: Path
) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for stem, palette in (("a", (BLACK, WHITE)), ("b", (WHITE, BLACK))):
        Image.new("RGB", (40, 40)).save(tmp_path / "images" / f"{stem}.png")
        saved(tmp_path / "masks" / f"{stem}.png", objects(), *palette)
    if names is not None:
        (tmp_path / "classes.txt").write_text(names)
    with pytest.raises(DataProblemsError, match="its palette shows index 0"):
        Folder(tmp_path)


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("side", [20, 60, 130])
def test_masks_that_were_resized_by_interpolation(
    method: Image.Resampling, side: int, tmp_path: Path
) -> None:
    image = Image.fromarray(objects(21)).resize((side, side), method)
    image.save(tmp_path / "a.png")
    assert scan.interpolated(scanned(tmp_path / "a.png"))
    nearest = Image.fromarray(objects(21)).resize((side, side), Image.Resampling.NEAREST)
    nearest.save(tmp_path / "b.png")
    assert scan.interpolated(scanned(tmp_path / "b.png")) == []


def test_classes_with_insides_are_none_of_that(tmp_path: Path) -> None:
    """Rings of rising classes, a thin border, scattered pixels, noise of all classes."""
    distance = ndimage.distance_transform_edt(objects()).astype(np.uint8) // 3
    bordered = objects(2)
    bordered[ndimage.binary_dilation(objects() > 0) & (objects() == 0)] = 1
    rng = np.random.default_rng(0)
    scattered = objects(9)
    scattered[rng.random(scattered.shape) < 0.03] = 4
    noise = rng.integers(0, 21, (40, 40), dtype=np.uint8)
    for number, mask in enumerate((distance, bordered, scattered, noise)):
        assert scan.interpolated(scanned(saved(tmp_path / f"{number}.png", mask))) == []
