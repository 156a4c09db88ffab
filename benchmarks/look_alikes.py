"""How far apart fingerprints of photos are: of different photos, and of one that was changed.

    python benchmarks/look_alikes.py PHOTOS…

Prints how many pairs differ in how many bits, the nearest pairs, and by how many bits a photo moves
that is saved again, made smaller, brighter or cut (of 300 photos, drawn with seed 0).
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from auxseg.data.decode import read_image
from auxseg.data.files import is_image
from auxseg.data.likeness import fingerprint
from auxseg.errors import UnreadableImageError

#: Distances that are listed, in bits, and photos that are changed.
MOST, CHANGED = 12, 300


def jpeg(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "jpeg", quality=30)
    return np.array(Image.open(stream))


def half(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 1.2, 0, 255).astype(np.uint8)


def two_pixels(image: np.ndarray) -> np.ndarray:
    return image[2:-2, 2:-2]


def three_percent(image: np.ndarray) -> np.ndarray:
    y, x = (round(0.03 * side) for side in image.shape[:2])
    return image[y:-y, x:-x]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG of quality 30": jpeg,
    "half the size": half,
    "20 % brighter": brighter,
    "2 pixels cut at each edge": two_pixels,
    "3 % cut at each edge": three_percent,
}


def main(folders: list[str]) -> None:
    files = [path for one in folders for path in sorted(Path(one).rglob("*")) if is_image(path)]
    images = {}
    for path in files:
        try:
            images[path] = read_image(path)
        except UnreadableImageError as error:
            print(f"left out: {error}")
    codes = {path: fingerprint(image) for path, image in images.items()}
    names, values = list(codes), np.array(list(codes.values()), dtype=np.uint64)
    pairs: Counter[int] = Counter()
    near: list[tuple[int, str, str]] = []
    for row, value in enumerate(values):
        apart = np.bitwise_count(values[row + 1 :] ^ value)
        pairs.update(apart[apart <= MOST].tolist())
        for column in np.flatnonzero(apart <= MOST).tolist():
            other = names[row + 1 + column]
            near.append((int(apart[column]), names[row].name, other.name))
    print(f"{len(names)} photos; pairs by bits that differ: {dict(sorted(pairs.items()))}")
    for bits, first, second in islice((found for found in sorted(near) if found[0]), 40):
        print(f"  {bits} bits: {first} and {second}")
    drawn = np.random.default_rng(0).choice(len(names), min(CHANGED, len(names)), replace=False)
    for title, change in CHANGES.items():
        moved = [
            (fingerprint(change(images[names[n]])) ^ int(values[n])).bit_count() for n in drawn
        ]
        print(f"{title}: median {np.median(moved):g}, 99 % up to {np.percentile(moved, 99):g} bits")


if __name__ == "__main__":
    main(sys.argv[1:])
