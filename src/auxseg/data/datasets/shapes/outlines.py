"""Closed outlines, (P, 2) points, from which drawn pictures are put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb

import numpy as np

Point = tuple[float, float]


def _arc(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


_CIRCLE = _arc(np.linspace(0.0, 2 * np.pi, 28, endpoint=False))
_CAP = _arc(np.linspace(0.0, np.pi, 7)[1:-1])
_STEPS = np.linspace(0.0, 1.0, 14)


def ellipse(centre: Point, radii: Point, angle: float = 0.0, power: float = 1.0) -> np.ndarray:
    """An ellipse of 28 points, turned by ``angle`` radians; ``power`` < 1 makes it a cushion."""
    circle = _CIRCLE if power == 1.0 else np.sign(_CIRCLE) * np.abs(_CIRCLE) ** power
    return rotate(circle * radii, angle) + centre


def limb(path: Sequence[Point], radii: Sequence[float]) -> np.ndarray:
    """A tube with round ends along the Bézier curve of ``path``.

    Args:
        path: two or more control points.
        radii: half the width along the way, evenly spaced from start to end.
    """
    position, direction = _bezier(len(path))
    curve, along = position @ path, direction @ path
    along /= np.sqrt((along * along).sum(axis=1, keepdims=True)) + 1e-9
    aside = along[:, ::-1] * (1.0, -1.0)
    width = np.interp(_STEPS, [k / max(len(radii) - 1, 1) for k in range(len(radii))], radii)
    offset = width[:, None] * aside
    tip = curve[-1] + width[-1] * (_CAP @ (aside[-1], along[-1]))
    root = curve[0] - width[0] * (_CAP @ (aside[0], along[0]))
    return np.concatenate([curve + offset, tip, (curve - offset)[::-1], root])


def rotate(points: np.ndarray, angle: float) -> np.ndarray:
    """The points turned by ``angle`` radians about the origin (clockwise, as y points down)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]))


@lru_cache(maxsize=8)
def _bezier(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (steps, points): control points to the curve's points, and to its directions."""
    position = _bernstein(points)
    lower = _bernstein(points - 1)
    zero = np.zeros((len(_STEPS), 1))
    return position, np.hstack([zero, lower]) - np.hstack([lower, zero])


def _bernstein(points: int) -> np.ndarray:
    """(steps, points): the weight of each control point at each step along the curve."""
    chosen = np.arange(points)
    binomial = np.array([comb(points - 1, k) for k in chosen])
    steps = _STEPS[:, None]
    return binomial * steps**chosen * (1.0 - steps) ** (points - 1 - chosen)
