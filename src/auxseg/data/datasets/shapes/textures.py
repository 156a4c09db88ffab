"""Colours and surfaces of drawn pictures: everything is a smooth function of picture coordinates.

Random numbers are drawn on small fixed grids and never once per pixel, so a surface is the same
picture at every size, and animals, things and backgrounds share one palette and one set of
patterns. Backgrounds mostly have colours of their own, but no colour is only theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

#: Coats of the animals, index order. Things and backgrounds wear the same patterns.
COATS = ("plain", "striped", "spotted", "patched")
PATTERNS = (*COATS, "checked", "gradient")

#: Fur: cream, white, sand, ginger, chestnut, brown, dark brown, black, grey, slate.
FUR = np.array(
    [
        *((232, 214, 182), (236, 233, 228), (205, 170, 125), (208, 128, 62), (150, 84, 50)),
        *((118, 84, 60), (74, 54, 44), (46, 43, 46), (140, 136, 134), (98, 106, 120)),
    ],
    np.float32,
)
#: Meadow, leaf, moss, sky, teal, wall, rose, lilac, mustard: what else surrounds an animal.
SURROUNDINGS = np.array(
    [
        *((112, 148, 70), (66, 110, 58), (138, 140, 88), (150, 188, 212), (78, 134, 140)),
        *((214, 206, 190), (206, 140, 134), (154, 132, 172), (206, 168, 72)),
    ],
    np.float32,
)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def pick_colours(rng: np.random.Generator, count: int, surroundings: float) -> np.ndarray:
    """Colours of fur or, with the given probability, of surroundings.

    Returns:
        float32 (count, 3), RGB in [0, 255].
    """
    fur = FUR[rng.integers(len(FUR), size=count)]
    other = SURROUNDINGS[rng.integers(len(SURROUNDINGS), size=count)]
    tones = np.where(rng.random((count, 1)) < surroundings, other, fur)
    tones = tones + rng.normal(0.0, 7.0, (count, 3)) + rng.normal(0.0, 10.0, (count, 1))
    return np.clip(tones, 12, 246).astype(np.float32)


def pick_marking(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """A colour for markings on ``base`` that differs enough in brightness to be seen."""
    far = FUR[np.abs((FUR - base) @ _LUMA) > 55]
    marking = far[rng.integers(len(far))] + rng.normal(0.0, 8.0, 3)
    return np.asarray(np.clip(marking, 12, 246).astype(np.float32))


def noise(rng: np.random.Generator, side: int, grids: Sequence[int] = (4, 10, 24)) -> np.ndarray:
    """Noise of several octaves, float32 (side, side), mean about 0 and most values in [-1, 1].

    Args:
        grids: cells of each octave along the picture; an octave weighs 0.6 of the one before.
    """
    # Octave by octave upwards, so that only the last step has as many pixels as the picture.
    total = np.zeros((1, 1), np.float32)
    for octave, cells in enumerate(grids):
        grid = rng.random((cells, cells), np.float32)
        total = _enlarge(total, cells) + np.float32(0.6**octave) * (2 * grid - 1)
    return _enlarge(total, side)


def _enlarge(field: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=4)
def picture_grid(side: int) -> np.ndarray:
    """Picture coordinates in [0, 1] of the pixels' centres, float32 (2, side, side): x and y."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    grid = np.stack(np.meshgrid(centres, centres))
    grid.setflags(write=False)  # every picture of this size shares it
    return grid


def turn_grid(grid: np.ndarray, angle: float) -> np.ndarray:
    """The grid in axes that are turned by ``angle`` (radians)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return change_axes(grid, np.array([[cosine, sine], [-sine, cosine]]))


def change_axes(grid: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The grid (2, side, side) with every point multiplied by the matrix (2, 2)."""
    changed = matrix.astype(np.float32) @ grid.reshape(2, -1)
    return np.asarray(changed.reshape(grid.shape))


def pattern(rng: np.random.Generator, kind: str, grid: np.ndarray) -> np.ndarray:
    """How much of the second colour each pixel has, float32 (side, side) in [0, 1].

    Args:
        kind: one of :data:`PATTERNS`.
        grid: (2, side, side), coordinates in which the pattern repeats every 0.1 to 0.3.
    """
    side = grid.shape[1]
    if kind == "plain":
        return np.zeros((side, side), np.float32)
    if kind == "patched":
        return _edge(noise(rng, side, (4, 8)) + rng.uniform(-0.25, 0.15), 6.0)
    if kind == "gradient":
        slope = 0.5 + 0.8 * (grid[0] - 0.5)
        return np.asarray(np.clip(slope + 0.2 * noise(rng, side, (3, 6)), 0.0, 1.0))
    if kind == "checked":
        waves = np.sin(grid * np.float32(2 * np.pi * rng.uniform(2.5, 6.0)))
        return _edge(waves[0] * waves[1], 8.0)
    warped = grid + 0.03 * noise(rng, side, (4, 9))
    if kind == "striped":
        wave = np.sin(warped[0] * np.float32(2 * np.pi * rng.uniform(6.0, 10.0)))
        return _edge(wave + rng.uniform(-0.5, 0.1), 2.5)
    rows = warped * np.float32(2 * np.pi * rng.uniform(3.5, 5.5))
    return _edge(np.sin(rows[0] + rows[1]) * np.sin(rows[0] - rows[1]) - rng.uniform(0.2, 0.4), 4.0)


def surface(
    rng: np.random.Generator, kind: str, grid: np.ndarray, base: np.ndarray, marking: np.ndarray
) -> np.ndarray:
    """A textured surface: ``base`` with ``marking`` where the pattern says so, over fine noise.

    Args:
        kind: one of :data:`PATTERNS`.
        grid: (2, side, side), see :func:`pattern`.
        base: (3,) RGB in [0, 255], as is ``marking``.

    Returns:
        float32 (side, side, 3), RGB around [0, 255].
    """
    amount = pattern(rng, kind, grid)
    grain = noise(rng, grid.shape[1], (10, 40))
    strength = np.full(3, rng.uniform(4.0, 14.0), np.float32)
    return cv2.transform(
        cv2.merge([amount, grain]), np.stack([marking - base, strength, base], axis=1)
    )


def _edge(field: np.ndarray, steepness: float) -> np.ndarray:
    """A soft threshold at zero: its width belongs to the picture, not to the pixels."""
    return np.clip(field * steepness + 0.5, 0.0, 1.0).astype(np.float32)
