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
from auxseg.data.likeness import LIMIT, fingerprint, groups, nearest
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
    found = nearest(changed, prints)
    wrong = [n for n in prints if found.get(n) != n]
    assert len(wrong) <= 2


def test_the_nearest_by_the_bits_that_differ() -> None:
    """Against Python's own count of bits, over enough numbers for several blocks."""
    draw = np.random.default_rng(0)
    codes = draw.integers(1, 2**63, 150, dtype=np.uint64)
    codes[1::2] = codes[::2] ^ (np.uint64(2) ** draw.integers(0, 14, 75).astype(np.uint64) - 1)
    one = {10 * n: int(code) for n, code in enumerate(codes[::2])}
    other = {10 * n + 5: int(code) for n, code in enumerate(codes[1::2])}
    bits = {a: {b: (one[a] ^ other[b]).bit_count() for b in other} for a in one}
    expected = {a for a in one if min(bits[a].values()) <= LIMIT}
    found = nearest(one, other)
    assert found.keys() == expected
    assert all(bits[a][b] == min(bits[a].values()) for a, b in found.items())
    assert nearest(one, {}) == nearest({}, other) == {}


def test_photos_of_one_colour_are_like_nothing() -> None:
    grey = np.full((40, 30, 3), 90, np.uint8)
    assert fingerprint(grey) == fingerprint(grey + 1) == 0
    assert groups({1: 0, 2: 0}) == []
    assert nearest({1: 0}, {2: 0}) == {}


def test_groups_hang_together() -> None:
    """1 and 2, 2 and 3 differ in eight bits each, 1 and 3 in sixteen: one group."""
    first = 0b1 << 40
    second, third = first ^ 0xFF, first ^ 0xFFFF
    apart = 0xF0F0F0F0F0F0F0F0
    assert groups({1: first, 2: second, 3: third, 4: apart}) == [[1, 2, 3]]
    assert groups({1: first, 3: third}) == []
    assert groups({5: apart, 2: apart, 9: first, 7: first, 8: first}) == [[7, 8, 9], [2, 5]]
    assert groups({}) == []


def test_a_video_s_frames_take_no_time() -> None:
    """30,000 frames of 300 scenes: 4.5 million pairs within one look alone."""
    draw = np.random.default_rng(0)
    scenes = draw.integers(1, 2**63, 300, dtype=np.uint64)
    codes = np.repeat(scenes, 100) ^ (np.uint64(1) << draw.integers(0, 3, 30_000).astype(np.uint64))
    found = groups({n: int(code) for n, code in enumerate(codes)})
    assert len(found) == 300
    assert sum(map(len, found)) == 30_000


def test_a_photo_saved_again_is_told_before_training(drawings: list[np.ndarray]) -> None:
    images = [*drawings[:6], as_jpeg(drawings[2]), drawings[3].copy()]
    digests = {n: digest(one) for n, one in enumerate(images)}
    prints = {n: fingerprint(one) for n, one in enumerate(images)}
    split = Split((0, 1, 2, 3), (4, 5), (6, 7))
    (line,) = copies_of_training_images(digests, prints, split, "abcdefgh".__getitem__, "do it")
    assert line.startswith("2 of 2 test images look like training images (1 identical)")
    assert "g is like c" in line
    assert line.endswith("; do it")


def test_among_real_photos_only_look_alikes_are_found(shared: Path) -> None:
    """399 photos of three breeds: three pairs, each the same photo twice."""
    files = sorted((shared / "data" / "oxford-iiit-pet" / "images").glob("*.jpg"))
    prints = {
        n: fingerprint(np.array(Image.open(file).convert("RGB"))) for n, file in enumerate(files)
    }
    found = [[files[n].stem for n in group] for group in groups(prints)]
    assert found == [
        ["Abyssinian_11", "Abyssinian_177"],
        ["Abyssinian_122", "Abyssinian_172"],
        ["Abyssinian_24", "Abyssinian_56"],
    ]
