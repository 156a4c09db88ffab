"""Images in a square that they do not fill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from auxseg.types import IGNORE_INDEX, Sample

#: ImageNet's mean colour, which encoders see as nothing in particular.
PADDING = (124, 116, 104)


def in_square(sample: Sample, size: int, top: int = 0, left: int = 0) -> Sample:
    """An image of at most S×S pixels at this place of a square without labels."""
    height, width = sample.image.shape[:2]
    rows, columns = slice(top, top + height), slice(left, left + width)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = PADDING
    image[rows, columns] = sample.image
    mask = sample.mask
    if mask is not None:
        mask = np.full((size, size), IGNORE_INDEX, np.uint8)
        mask[rows, columns] = sample.mask
    return replace(sample, image=image, mask=mask)
