"""What is odd about images that are sound one by one: copies of one another, nearly black ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from auxseg.data.base import Split
from auxseg.data.likeness import nearest

#: An image without a value as high as this shows next to nothing.
NEARLY_BLACK = 32


def digest(image: np.ndarray) -> int:
    """64 bits that two images share if their pixels are equal, and else by a chance of 2⁻⁶⁴."""
    found = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest()
    return int.from_bytes(found, "little")


def dark(brightest: Sequence[int]) -> tuple[str, ...]:
    """What to say of images most of which are nearly black, by the brightest value of each."""
    black = sum(value < NEARLY_BLACK for value in brightest)
    if 2 * black <= len(brightest):
        return ()
    return (
        f"{black} of {len(brightest)} images are nearly black (no value above "
        f"{NEARLY_BLACK - 1} of 255): photos of 12 or fewer bits in files of 16? Of those, the "
        "upper 8 bits are read; multiply the values (12 bits by 16) and save them again",
    )


def groups_of_copies(digests: Mapping[int, int]) -> list[list[int]]:
    """Images of equal pixels, in groups of at least two.

    Args:
        digests: image number → :func:`digest`.
    """
    groups: dict[int, list[int]] = {}
    for number, value in digests.items():
        groups.setdefault(value, []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def copies_of_training_images(
    digests: Mapping[int, int],
    prints: Mapping[int, int],
    split: Split,
    name: Callable[[int], str],
    mend: str,
) -> list[str]:
    """What to say of images that are both trained on and measured, or nearly.

    Args:
        digests: image number → :func:`digest`, of the readable images.
        prints: image number → :func:`~auxseg.data.likeness.fingerprint`, of the same.
        name: image number → file name.
        mend: what a user can do about it.
    """
    trained = {digests[number]: number for number in split.train if number in digests}
    train_prints = {number: prints[number] for number in split.train if number in prints}
    found = []
    for part in ("val", "test"):
        measured = [number for number in getattr(split, part) if number in digests]
        equal = {n: trained[digests[n]] for n in measured if digests[n] in trained}
        near = nearest({number: prints[number] for number in measured}, train_prints)
        twins = {**near, **equal}
        if twins:
            are = "are copies of training images"
            if len(equal) < len(twins):
                are = f"look like training images ({len(equal) or 'none'} identical)"
            one = min(twins)
            same = "the same as" if one in equal else "like"
            found.append(
                f"{len(twins)} of {len(getattr(split, part))} {part} images {are} (first: "
                f"{name(one)} is {same} {name(twins[one])}): they make every metric look better "
                f"than it is; {mend}"
            )
    return found
