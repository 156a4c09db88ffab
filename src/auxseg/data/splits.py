"""Who trains, who chooses, who tests: pure functions from classes and a seed to index lists.

The random order of a class depends on the seed and the class alone, so what is drawn from one
class does not shift when another class changes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from auxseg.types import NO_LABEL

Item = TypeVar("Item", bound=Hashable)

#: Train, validation, test.
FRACTIONS = (0.6, 0.2, 0.2)

#: From this many masks on, a fifth of them is enough to validate on, and another to test on.
ENOUGH_MASKS = 50
#: How many of fewer masks validate; an epoch chosen on fewer still is chosen by chance.
VALIDATION_MASKS = 10


def cut(items: Sequence[Item], fractions: Sequence[float] = FRACTIONS) -> list[tuple[Item, ...]]:
    """Cuts a list into consecutive parts; every item falls into exactly one.

    Boundaries are rounded down: 3,686 images at 60/20/20 give a test part of 738, the paper's
    number.

    >>> cut(["a", "b", "c", "d", "e"])
    [('a', 'b', 'c'), ('d',), ('e',)]
    """
    _check_fractions(fractions)
    # 1e-9: a boundary such as 0.29 × 100 must not fall below the integer that it means.
    bounds = [math.floor(len(items) * f + 1e-9) for f in np.cumsum(fractions)[:-1]]
    edges = [0, *bounds, len(items)]
    return [tuple(items[start:stop]) for start, stop in pairwise(edges)]


def stratified(
    classes: Sequence[int | None], seed: int, fractions: Sequence[float] = FRACTIONS
) -> list[tuple[int, ...]]:
    """Splits the numbers 0 … len(classes)−1 so that each part has each class in proportion.

    The classes, each in a random order of its own, are dealt out one after another, every image
    to the part that lags its share most. So a part's total is within one image of its share,
    and leftovers of small classes do not all land in the same part.

    Args:
        classes: the class of each image; None or :data:`~auxseg.types.NO_LABEL` for an image
            without one: these are a stratum of their own.

    Returns:
        One ascending tuple per fraction.
    """
    _check_fractions(fractions)
    parts: list[list[int]] = [[] for _ in fractions]
    dealt = 0
    for order in _shuffled_strata(classes, seed).values():
        for index in order:
            dealt += 1
            lag = [
                fraction * dealt - len(part)
                for fraction, part in zip(fractions, parts, strict=True)
            ]
            # Rounded, so that equal shares tie (and the earlier part wins) on every machine.
            parts[int(np.argmax(np.round(lag, 9)))].append(index)
    return [tuple(sorted(part)) for part in parts]


def masked(
    classes: Sequence[int | None], has_mask: Sequence[bool], seed: int
) -> list[tuple[int, ...]]:
    """Splits images into train, validation and test so that both held-out parts have masks.

    Only images with a mask are held out; all others are trained on. 50 masks or more are cut
    60/20/20. Of n < 50 masks, min(10, n // 2) validate, the others train, and the test part is
    empty: too few are left to test on. Images with a mask are drawn by class, as in
    :func:`stratified`, and images without one change nothing about that draw. Where no image has
    a mask, the split is that of :func:`stratified`.

    Args:
        classes: the class of each image, None or NO_LABEL without one (a stratum of their own).
        has_mask: whether each image has a mask; as long as ``classes``.

    Returns:
        Three ascending tuples.

    >>> [len(part) for part in masked([None] * 50, [True] * 20 + [False] * 30, seed=0)]
    [40, 10, 0]
    """
    if not any(has_mask):
        return stratified(classes, seed)
    drawn = [index for index, has in enumerate(has_mask) if has]
    fractions = FRACTIONS
    if len(drawn) < ENOUGH_MASKS:
        val = min(VALIDATION_MASKS, len(drawn) // 2) / len(drawn)
        fractions = (1 - val, val, 0.0)
    train, val_part, test = (
        tuple(drawn[position] for position in part)
        for part in stratified([classes[index] for index in drawn], seed, fractions)
    )
    bare = (index for index, has in enumerate(has_mask) if not has)
    return [tuple(sorted((*train, *bare))), val_part, test]


def grouped(
    groups: Sequence[Sequence[int]], has_mask: Sequence[bool], seed: int
) -> list[tuple[int, ...]]:
    """As :func:`masked`, with every group whole in one part, and not by class.

    The groups are dealt out, the largest first and equal ones in random order, each to the part
    that lacks most images. So the parts' sizes may be off by as much as groups are large.

    Args:
        groups: images that belong together; every other image is a group by itself.
        has_mask: whether each image has a mask; where none has, all are dealt out alike.

    Returns:
        Three ascending tuples. Images without a mask whose group is held out are in none of them.

    >>> grouped([[0, 1, 2]], [True] * 5, seed=0)
    [(0, 1, 2), (3, 4), ()]
    """
    counts = np.asarray(has_mask if any(has_mask) else [True] * len(has_mask))
    together = {number for group in groups for number in group}
    single = [[number] for number in range(len(counts)) if number not in together]
    units = [list(group) for group in (*groups, *single)]
    sizes = np.array([int(counts[unit].sum()) for unit in units], dtype=int)
    total = int(counts.sum())
    wanted = np.array(FRACTIONS) * total
    if total < ENOUGH_MASKS:
        val = min(VALIDATION_MASKS, total // 2)
        wanted = np.array([total - val, val, 0.0])
    order = _generator(seed, NO_LABEL, purpose=2).permutation(len(units))
    parts: list[list[int]] = [[], [], []]
    for position in sorted(order.tolist(), key=lambda position: -sizes[position]):
        unit, size = units[position], sizes[position]
        part = int(np.argmax(np.round(wanted, 9))) if size else 0
        wanted[part] -= size
        parts[part] += unit if part == 0 else [number for number in unit if counts[number]]
    return [tuple(sorted(part)) for part in parts]


def subset(labels: Sequence[int | None], n: int, seed: int) -> tuple[int, ...]:
    """Draws ``n`` of the numbers 0 … len(labels)−1, each class in proportion.

    Nested: with the same seed, a smaller draw is part of every larger one, so a curve over the
    number of labels adds images and never swaps them. (The method of largest remainders is not
    nested; this is Sainte-Laguë's: the k-th image of a class of m ranks at (k − ½)/m.)

    Args:
        labels: the class of each image, None or NO_LABEL without one (a stratum of their own).
        n: how many; all where there are no more.

    Returns:
        Ascending indices.

    Raises:
        ValueError: ``n`` is negative.
    """
    if n < 0:
        raise ValueError(f"n is {n}; 0 and above are allowed")
    ranked = [
        ((rank + 0.5) / len(order), tie, index)
        for stratum, order in _shuffled_strata(labels, seed).items()
        for tie in [_generator(seed, stratum, purpose=1).random()]
        for rank, index in enumerate(order)
    ]
    return tuple(sorted(index for _, _, index in sorted(ranked)[:n]))


def _shuffled_strata(classes: Sequence[int | None], seed: int) -> dict[int, list[int]]:
    """Class → its images in random order; classes ascending, the unlabelled last."""
    members: dict[int, list[int]] = {}
    for index, label in enumerate(classes):
        members.setdefault(NO_LABEL if label is None else int(label), []).append(index)
    order = sorted(members, key=lambda stratum: (stratum == NO_LABEL, stratum))
    return {
        stratum: _generator(seed, stratum, purpose=0).permutation(members[stratum]).tolist()
        for stratum in order
    }


def _generator(seed: int, stratum: int, purpose: int) -> np.random.Generator:
    # + 1: NO_LABEL is −1, and keys may not be negative.
    return np.random.default_rng([seed, stratum + 1, purpose])


def _check_fractions(fractions: Sequence[float]) -> None:
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1.0):
        raise ValueError(f"fractions {tuple(fractions)} must be positive and sum to 1")
