"""Which photos look alike, though not a pixel is the same: saved again, resized, taken in a burst.

A fingerprint is the perceptual hash "pHash" (Zauner, *Implementation and Benchmarking of Perceptual
Image Hash Functions*, 2010): of the photo as 32 × 32 greys, which of the 64 lowest cosine
coefficients are above their median.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

#: Fingerprints that differ in so many of their 64 bits or fewer are of photos that look alike. Of
#: 7,077 photos of pets (25 million pairs) 79 pairs are so near, and all of them are the same photo
#: or one of the same moment; of those that differ in 10 bits, most are not (docs/check.md).
LIMIT = 8
#: Greys that vary less than this, of 255, have no structure that a fingerprint could show.
_FLAT = 4.0
#: Rows that are compared at once.
_ROWS = 64


def fingerprint(image: np.ndarray) -> int:
    """64 bits that nearly agree for photos that look alike; 0 for a photo of one colour.

    Args:
        image: uint8 (H, W, 3), RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _FLAT:
        return 0
    waves = dctn(small, norm="ortho")[:8, :8].ravel()
    bits = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "little")


def nearest(prints: Mapping[int, int], others: Mapping[int, int]) -> dict[int, int]:
    """Photos that look like one of the others → the one that each looks most like.

    Args:
        prints, others: photo's number → :func:`fingerprint`.
    """
    (numbers, codes), (other_numbers, other_codes) = _arrays(prints), _arrays(others)
    found: dict[int, int] = {}
    if not other_codes.size:
        return found
    for start in range(0, len(codes), _ROWS):
        apart = np.bitwise_count(codes[start : start + _ROWS, None] ^ other_codes[None])
        best = apart.argmin(axis=1)
        for row in np.flatnonzero(apart.min(axis=1) <= LIMIT).tolist():
            found[int(numbers[start + row])] = int(other_numbers[best[row]])
    return found


def groups(prints: Mapping[int, int]) -> list[list[int]]:
    """Photos that hang together by looking alike, in groups of at least two, the largest first."""
    numbers, codes = _arrays(prints)
    # Frames of a video share few fingerprints: pairs are counted among those.
    distinct, member = np.unique(codes, return_inverse=True)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(distinct), _ROWS):
        apart = np.bitwise_count(distinct[start : start + _ROWS, None] ^ distinct[None])
        row, column = np.nonzero(apart <= LIMIT)
        rows.append(row + start)
        columns.append(column)
    pairs = np.concatenate(rows), np.concatenate(columns)
    size = len(distinct)
    graph = coo_array((np.ones(len(pairs[0]), bool), pairs), shape=(size, size))
    label = connected_components(graph, directed=False)[1][member] if size else member
    found: dict[int, list[int]] = {}
    for number, group in zip(numbers.tolist(), label.tolist(), strict=True):
        found.setdefault(group, []).append(number)
    several = [sorted(group) for group in found.values() if len(group) > 1]
    return sorted(several, key=lambda group: (-len(group), group))


def _arrays(prints: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and fingerprints of the photos that have one."""
    known = {number: code for number, code in prints.items() if code}
    return np.array(list(known), dtype=np.int64), np.array(list(known.values()), dtype=np.uint64)
