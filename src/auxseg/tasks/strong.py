"""Strong augmentation of photos, and pieces of one pasted into another (CutMix)."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from auxseg.colour import ColourChange
from auxseg.types import LabelledImages

#: Sets these random numbers apart from others of the same seed, epoch and image.
_PURPOSE = 4

#: How often colours change, colour goes altogether, and an image is blurred (UniMatch).
COLOUR, GREY, BLUR = 0.8, 0.2, 0.5
#: Standard deviation of the blur for images of 321 pixels, UniMatch's size: it grows with theirs.
BLUR_STD, BLUR_SIZE = (0.1, 2.0), 321
#: Share of the image that a piece has, and its height to its width, or the other way round.
PIECE_SHARE, PIECE_ASPECT = (0.02, 0.4), (0.3, 1 / 0.3)


def generators(images: LabelledImages, seed: int) -> list[np.random.Generator]:
    """The random numbers of each image, from the seed, its epoch and its number alone."""
    keys = [(seed, images.epoch, int(number), _PURPOSE) for number in images.index]
    return [np.random.default_rng(key) for key in keys]


def distorted(image: Tensor, strength: float, draws: list[np.random.Generator]) -> Tensor:
    """Other colours, or none, and blur; what lies where stays there.

    Args:
        image: float32 (N, 3, H, W) in [0, 1].
        strength: brightness, contrast and saturation change by up to ± this, 0 to 1, the hue by up
            to ± half as much of 180 degrees.

    Returns:
        the same shape and range.
    """
    uniform = np.stack([draw.random(8) for draw in draws])
    changed = uniform[:, 0] < COLOUR
    signed = np.where(changed[:, None], strength * (2 * uniform[:, 1:5] - 1), 0)
    grey = uniform[:, 5] < GREY
    change = ColourChange(
        brightness=1 + signed[:, 0],
        contrast=1 + signed[:, 1],
        saturation=np.where(grey, 0, 1 + signed[:, 2]),
        hue=np.pi / 2 * signed[:, 3],
    )
    found = change.recolour(image)
    least, greatest = (std * max(image.shape[-2:]) / BLUR_SIZE for std in BLUR_STD)
    for number in np.flatnonzero(uniform[:, 6] < BLUR):
        std = least + (greatest - least) * uniform[number, 7]
        pixels = np.ascontiguousarray(found[number].permute(1, 2, 0).numpy())
        blurred = cv2.GaussianBlur(pixels, (0, 0), std, borderType=cv2.BORDER_REFLECT)
        found[number] = torch.from_numpy(blurred).permute(2, 0, 1)
    return found


def drawn_piece(
    draw: np.random.Generator, height: int, width: int, probability: float
) -> tuple[int, int, int, int]:
    """The piece of another image that an image gets, or an empty one: top, left, bottom, right.

    (CutMix, Yun et al. 2019, with the sizes of UniMatch.)
    """
    chance, share, aspect, down, along = draw.random(5)
    if chance >= probability:
        return 0, 0, 0, 0
    area = _between(share, *PIECE_SHARE) * height * width
    ratio = math.exp(_between(aspect, *map(math.log, PIECE_ASPECT)))
    tall = min(height, max(1, round(math.sqrt(area * ratio))))
    wide = min(width, max(1, round(math.sqrt(area / ratio))))
    top, left = int(down * (height - tall + 1)), int(along * (width - wide + 1))
    return top, left, top + tall, left + wide


def inside(pieces: Tensor, height: int, width: int) -> Tensor:
    """Which pixels lie in the pieces, int64 (N, 4): bool (N, H, W)."""
    top, left, bottom, right = (edge[:, None, None] for edge in pieces.unbind(dim=1))
    rows = torch.arange(height, device=pieces.device)[None, :, None]
    columns = torch.arange(width, device=pieces.device)[None, None, :]
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)


def _between(fraction: float, low: float, high: float) -> float:
    return low + fraction * (high - low)
