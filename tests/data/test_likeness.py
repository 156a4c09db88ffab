"""Photos that look alike are found, others are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from auxseg.data.base import Split
from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.likeness import LIMIT, alike, fingerprint, groups
from auxseg.data.observations import copies_of_training_images, digest


@pytest.fixture(scope="module")
def drawings() -> list[np.ndarray]:
    dataset = Shapes(train=40, val=10, test=10)
    return [dataset.read(number).image for number in range(len(dataset))]


def as_jpeg(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "jpeg", quality=40)
    return np.array(Image.open(stream))


def smaller(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.4, fy=0.7, interpolation=cv2.INTER_AREA)


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(1.15 * image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [as_jpeg, smaller, brighter])
def test_a_changed_photo_is_like_itself_alone(
    change: Callable[[np.ndarray], np.ndarray], drawings: list[np.ndarray]
) -> None:
    prints = {n: fingerprint(one) for n, one in enumerate(drawings)}
    changed = {n: fingerprint(change(one)) for n, one in enumerate(drawings)}
    found = alike(changed, prints)
    assert {(n, n) for n in prints} <= set(found)
    assert len([pair for pair in found if pair[0] != pair[1]]) <= 2


def test_pairs_by_the_bits_that_differ() -> None:
    """Against Python's own count of bits, over enough numbers for several blocks."""
    draw = np.random.default_rng(0)
    codes = draw.integers(1, 2**63, 150, dtype=np.uint64)
    codes[1::2] = codes[::2] ^ (np.uint64(2) ** draw.integers(0, 14, 75).astype(np.uint64) - 1)
    prints = {10 * n: int(code) for n, code in enumerate(codes)}
    apart = {(a, b): (prints[a] ^ prints[b]).bit_count() for a in prints for b in prints if a < b}
    found = alike(prints)
    assert set(found) == {pair for pair, bits in apart.items() if bits <= LIMIT}
    assert [apart[pair] for pair in found] == sorted(apart[pair] for pair in found)


def test_photos_of_one_colour_are_like_nothing() -> None:
    grey = np.full((40, 30, 3), 90, np.uint8)
    assert fingerprint(grey) == fingerprint(grey + 1) == 0
    assert alike({1: 0, 2: 0}) == []


def test_groups_hang_together() -> None:
    assert groups([(1, 2), (5, 6), (2, 3), (3, 1)]) == [[1, 2, 3], [5, 6]]
    assert groups([(1, 2), (3, 4), (2, 3)]) == [[1, 2, 3, 4]]
    assert groups([]) == []


def test_a_photo_saved_again_is_told_before_training(drawings: list[np.ndarray]) -> None:
    images = [*drawings[:6], as_jpeg(drawings[2]), drawings[3].copy()]
    digests = {n: digest(one) for n, one in enumerate(images)}
    prints = {n: fingerprint(one) for n, one in enumerate(images)}
    split = Split((0, 1, 2, 3), (4, 5), (6, 7))
    (line,) = copies_of_training_images(digests, prints, split, "abcdefgh".__getitem__)
    assert line.startswith("2 of 2 test images look like training images, 1 to the pixel")
    assert "g is like c" in line


def test_among_real_photos_only_look_alikes_are_found(shared: Path) -> None:
    """399 photos of three breeds: three pairs, each the same photo twice."""
    files = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))
    prints = {
        n: fingerprint(np.array(Image.open(file).convert("RGB"))) for n, file in enumerate(files)
    }
    found = {(files[a].stem, files[b].stem) for a, b in alike(prints)}
    assert found == {
        ("Abyssinian_11", "Abyssinian_177"),
        ("Abyssinian_122", "Abyssinian_172"),
        ("Abyssinian_24", "Abyssinian_56"),
    }
