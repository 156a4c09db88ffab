"""Which photos look alike, though not a pixel is the same: saved again, resized, taken in a burst.

A fingerprint is the perceptual hash "pHash" (Zauner, *Implementation and Benchmarking of Perceptual
Image Hash Functions*, 2010): of the photo as 32 × 32 greys, which of the 64 lowest cosine
coefficients are above their median.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from scipy.fft import dctn

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


def alike(
    prints: Mapping[int, int], others: Mapping[int, int] | None = None
) -> list[tuple[int, int]]:
    """Pairs of photos that look alike.

    Args:
        prints: photo's number → :func:`fingerprint`.
        others: those to compare with; None for pairs among themselves, each given once.

    Returns:
        the number of one of ``prints`` and of one of the others, the most alike pairs first.
    """
    numbers, codes = _arrays(prints)
    other_numbers, other_codes = (numbers, codes) if others is None else _arrays(others)
    found = []
    for start in range(0, len(codes), _ROWS):
        apart = np.bitwise_count(codes[start : start + _ROWS, None] ^ other_codes[None])
        for row, column in np.argwhere(apart <= LIMIT).tolist():
            one, other = int(numbers[start + row]), int(other_numbers[column])
            if others is not None or one < other:
                found.append((int(apart[row, column]), one, other))
    return [(one, other) for _, one, other in sorted(found)]


def groups(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Photos that hang together by pairs, the largest groups first."""
    group_of: dict[int, list[int]] = {}
    for one, other in pairs:
        joined = group_of.get(one, [one])
        for number in group_of.get(other, [other]):
            if number not in joined:
                joined.append(number)
        for number in joined:
            group_of[number] = joined
    distinct = {id(group): sorted(group) for group in group_of.values()}
    return sorted(distinct.values(), key=lambda group: (-len(group), group))


def _arrays(prints: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and fingerprints of the photos that have one."""
    known = {number: code for number, code in prints.items() if code}
    return np.array(list(known), dtype=np.int64), np.array(list(known.values()), dtype=np.uint64)
