"""The brush: outlines become soft-edged layers, which are laid over a picture one by one.

Outlines are filled on a canvas of twice the picture's size and then reduced, so edges are smooth
and the picture does not depend on the size. Colours of a layer are premultiplied with its alpha.
"""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np

SUPERSAMPLING = 2
#: cv2 takes corners as integers with this many binary places.
SHIFT = 4


def canvas(size: int, channels: int = 1) -> np.ndarray:
    """An empty canvas for a picture of ``size``: uint8 (2 size, 2 size[, channels])."""
    side = size * SUPERSAMPLING
    return np.zeros((side, side) if channels == 1 else (side, side, channels), np.uint8)


def corners(outlines: np.ndarray, side: int) -> np.ndarray:
    """Points (…, 2) in picture coordinates as cv2 wants them: pixels of a canvas, fixed point."""
    return np.asarray(np.rint((outlines * side - 0.5) * 2**SHIFT).astype(np.int32))


def fill(target: np.ndarray, points: np.ndarray, colour: float | tuple[float, ...]) -> None:
    """Fills one outline, given as :func:`corners`."""
    cv2.fillPoly(target, [points], colour, shift=SHIFT)


def draw_line(target: np.ndarray, points: np.ndarray) -> None:
    """Draws one outline, given as :func:`corners`, 1.2 % of the picture wide.

    cv2 draws odd widths only (an even thickness t > 1 comes out t + 1 pixels wide). So the next
    odd width is drawn, paler by as much as it is too wide: pictures are as dark at every size.
    """
    wanted = 0.012 * len(target)
    width = 2 * ceil((wanted - 1) / 2) + 1 if wanted > 1 else 1
    strength = 255 * wanted / width
    cv2.polylines(target, [points], True, strength, max(1, width - 1), shift=SHIFT)


def reduce(layer: np.ndarray) -> np.ndarray:
    """A canvas at the picture's size: float32 in [0, 1]."""
    side = len(layer) // SUPERSAMPLING
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def times(colour: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Every channel of a picture (S, S, 3) multiplied by a field (S, S); both float32."""
    return cv2.multiply(colour, cv2.cvtColor(field, cv2.COLOR_GRAY2RGB))


def shaded(colour: np.ndarray, line: np.ndarray) -> np.ndarray:
    """The picture, darkened on the lines and, softly, beside them: that makes parts look round.

    Args:
        line: float32 (S, S), 1 where a line is.
    """
    soft = cv2.GaussianBlur(line, (0, 0), 0.022 * len(line))
    return times(colour, 1.0 - np.maximum(0.5 * line, 0.7 * soft))


def paste(scene: np.ndarray, colour: np.ndarray, alpha: np.ndarray, shadow: float = 0.4) -> None:
    """Lays a layer over the scene, in place, with a soft shadow below it.

    Args:
        scene: float32 (S, S, 3), RGB in [0, 255].
        colour: the same, premultiplied with alpha.
        alpha: float32 (S, S) in [0, 1].
        shadow: how dark the shadow is, in [0, 1].
    """
    size = len(scene)
    move = np.array([[1, 0, 0.012 * size], [0, 1, 0.03 * size]], np.float32)
    fallen = cv2.GaussianBlur(cv2.warpAffine(alpha, move, (size, size)), (0, 0), 0.02 * size)
    scene[:] = times(scene, (1.0 - alpha) * (1.0 - np.float32(shadow) * fallen)) + colour
