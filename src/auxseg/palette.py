"""A colour for every class of a mask, the same in pictures, palettes and legends."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image

from auxseg.types import IGNORE_INDEX

#: The first colours, RGB, told apart at a glance; the first of all is the background's.
FIRST = np.array(
    [(0, 0, 0), (0, 140, 255), (255, 140, 0), (0, 200, 110), (235, 60, 130), (150, 90, 240),
     (240, 220, 30), (0, 210, 210), (190, 110, 60), (140, 200, 40)], dtype=np.uint8,
)  # fmt: skip

#: The golden ratio's share of the circle: hues a multiple of it apart never meet.
_TURN = 0.618034


def class_colours(count: int) -> np.ndarray:
    """The colours of so many classes, uint8 (count, 3), RGB; no two of 256 are the same."""
    further = []
    for number in range(count - len(FIRST)):
        saturation, value = ((0.55, 0.95), (0.9, 0.75), (0.75, 0.55))[number % 3]
        colour = colorsys.hsv_to_rgb((0.08 + number * _TURN) % 1, saturation, value)
        further.append([round(255 * channel) for channel in colour])
    return np.concatenate([FIRST, np.array(further, np.uint8).reshape(-1, 3)])[:count]


def mask_picture(mask: np.ndarray) -> Image.Image:
    """A mask as a palette image: viewers show colours, programs read the indices.

    Args:
        mask: uint8 (H, W), class indices; :data:`~auxseg.types.IGNORE_INDEX` is shown in grey.
    """
    colours = class_colours(256)
    colours[IGNORE_INDEX] = 128
    picture = Image.fromarray(mask)
    picture.putpalette(colours.ravel().tolist())
    return picture
