"""Joint augmentation: one affine map moves image, mask and box; one colour matrix tints the image.

Everything an image goes through depends on the key (seed, epoch, image number) alone, never on
the batch, the loader's worker or the order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.colour import ColourChange
from auxseg.errors import UsageError
from auxseg.types import IGNORE_INDEX, LabelledImages


@dataclass(frozen=True, kw_only=True)
class Draws(ColourChange):
    """What was drawn for each of N images; float64 (N,) unless said otherwise.

    Attributes:
        flip: bool (N,), mirrored left to right, before everything else.
        scale: magnification about the image's centre.
        rotation: radians, counter-clockwise as seen on the screen, about the image's centre.
        translation: (N, 2), shift right and down as a fraction of width and height.
    """

    flip: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def affine(self, height: int, width: int) -> np.ndarray:
        """float64 (N, 3, 3): where a point of the image goes, in pixels (x, y, 1) from the centre.

        Pixels, so that a rotation keeps angles in an image that is not square.
        """
        mirror = np.where(self.flip, -1.0, 1.0)
        cos, sin = self.scale * np.cos(self.rotation), self.scale * np.sin(self.rotation)
        shift_x, shift_y = (self.translation * (width, height)).T
        zero, one = np.zeros_like(cos), np.ones_like(cos)
        rows = [[mirror * cos, sin, shift_x], [-mirror * sin, cos, shift_y], [zero, zero, one]]
        return np.array(rows).transpose(2, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random augmentation of a batch: a pure function of the batch and a seed.

    Attributes:
        flip: probability of a left-right mirror image, 0 to 1.
        scale: least and greatest magnification, 0 < least ≤ greatest; drawn log-uniformly.
        rotation: degrees, 0 to 180; drawn from ± this.
        translation: fraction of the side, 0 to 1; drawn from ± this for x and y. Together with a
            scale above 1 it is the random crop.
        brightness: 0 to 1; RGB is multiplied by 1 ± this.
        contrast: 0 to 1; the distance from the image's mean grey is multiplied by 1 ± this.
        saturation: 0 to 1; the distance from the pixel's own grey is multiplied by 1 ± this.
        hue: degrees, 0 to 180; the colours are turned by ± this in the YIQ plane.
        min_box_visible: 0 to 1; a box is dropped when less than this share of its area stays
            in the picture.

    Raises:
        UsageError: a value outside its range.
    """

    flip: float
    scale: tuple[float, float]
    rotation: float
    translation: float
    brightness: float
    contrast: float
    saturation: float
    hue: float
    min_box_visible: float = 0.4

    def __post_init__(self) -> None:
        fractions = ("flip", "translation", "brightness", "contrast", "saturation")
        limits = dict.fromkeys((*fractions, "min_box_visible"), 1) | {"rotation": 180, "hue": 180}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise UsageError(f"augmentation {name} is {value}; allowed: 0 to {limit}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] < math.inf:
            allowed = "two numbers above 0, the lesser first"
            raise UsageError(f"augmentation scale is {self.scale}; allowed: {allowed}")

    def __call__(self, images: LabelledImages, seed: int) -> LabelledImages:
        """Moves image, mask and box together, then changes the image's colours.

        Where the picture does not reach, the image shows its own reflection and the mask is
        :data:`~auxseg.types.IGNORE_INDEX`. A box becomes the upright hull of its moved corners,
        cut to the picture; NaN where it is dropped. Missing labels stay missing; class,
        ``has_mask``, index and epoch are untouched.

        Args:
            images: any H×W; ``images.epoch`` and ``images.index`` complete the random key.
            seed: ≥ 0.
        """
        draws = self.draw(images.index, images.epoch, seed)
        affine = draws.affine(*images.image.shape[-2:])
        if self._resamples:
            image, mask = _warp(images.image, images.mask, affine)
        else:
            # Mirroring by grid_sample is right to 1e-5 only where the side is no power of two.
            image, mask = (_mirror(pixels, draws.flip) for pixels in (images.image, images.mask))
        if self._recolours:
            image = draws.recolour(image)
        box = _move_boxes(images.box, affine, images.image.shape[-2:], self.min_box_visible)
        return replace(images, image=image, mask=mask, box=box)

    def draw(self, index: Tensor, epoch: int, seed: int) -> Draws:
        """The random numbers of the images with these numbers, int64 (N,), in this epoch."""
        keys = [(seed, epoch, int(number)) for number in index]
        uniform = np.stack([np.random.default_rng(key).random(9) for key in keys])
        least, greatest = self.scale
        signed = 2 * uniform - 1
        return Draws(
            flip=uniform[:, 0] < self.flip,
            scale=least * (greatest / least) ** uniform[:, 1],
            rotation=np.deg2rad(self.rotation * signed[:, 2]),
            translation=self.translation * signed[:, 3:5],
            brightness=1 + self.brightness * signed[:, 5],
            contrast=1 + self.contrast * signed[:, 6],
            saturation=1 + self.saturation * signed[:, 7],
            hue=np.deg2rad(self.hue * signed[:, 8]),
        )

    @property
    def _resamples(self) -> bool:
        return self.scale != (1, 1) or self.rotation > 0 or self.translation > 0

    @property
    def _recolours(self) -> bool:
        return any((self.brightness, self.contrast, self.saturation, self.hue))


def _mirror(pixels: Tensor, flip: np.ndarray) -> Tensor:
    """(N, …, W) with the chosen images reversed along W."""
    chosen = torch.from_numpy(flip).to(pixels.device)
    return torch.where(chosen.view(-1, *[1] * (pixels.ndim - 1)), pixels.flip(-1), pixels)


def _warp(image: Tensor, mask: Tensor, affine: np.ndarray) -> tuple[Tensor, Tensor]:
    """Samples image (bilinear) and mask (nearest) on one grid, the inverse of ``affine``."""
    grid = _sampling_grid(image, np.linalg.inv(affine))
    warped = F.grid_sample(image, grid, "bilinear", "reflection", align_corners=False)
    # Outside the picture grid_sample gives 0, so the value for "outside" is moved to 0 and back.
    labels = mask.to(image.dtype).sub_(IGNORE_INDEX).unsqueeze(1)
    labels = F.grid_sample(labels, grid, "nearest", "zeros", align_corners=False)
    return warped, labels.add_(IGNORE_INDEX).squeeze(1).to(mask.dtype)


def _sampling_grid(image: Tensor, inverse: np.ndarray) -> Tensor:
    """(N, H, W, 2): where each pixel's value comes from, -1 to 1 over the picture's outer edges.

    The same as ``F.affine_grid``, whose matrix product takes four times as long as two additions.
    """
    height, width = image.shape[-2:]
    half = np.array([width / 2, height / 2])
    columns, rows = np.arange(width) + 0.5 - half[0], np.arange(height) + 0.5 - half[1]
    along_x, along_y, origin = inverse[:, None, :2].transpose(3, 0, 1, 2)
    from_columns = torch.from_numpy((along_x * columns[:, None] + origin) / half).to(image)
    from_rows = torch.from_numpy(along_y * rows[:, None] / half).to(image)
    return from_columns[:, None] + from_rows[:, :, None]


def _move_boxes(box: Tensor, affine: np.ndarray, shape: torch.Size, min_visible: float) -> Tensor:
    """float32 (N, 4): hulls of the moved corners cut to [0, 1], NaN where too little is left."""
    height, width = shape
    # float64: boxes that do not move come back bit by bit.
    xmin, ymin, xmax, ymax = box.double().cpu().numpy().T
    x = (np.stack([xmin, xmax, xmin, xmax], axis=1) - 0.5) * width
    y = (np.stack([ymin, ymin, ymax, ymax], axis=1) - 0.5) * height
    corners = affine[:, :2] @ np.stack([x, y, np.ones_like(x)], axis=1)
    corners = corners / np.array([[width], [height]]) + 0.5
    hull = np.concatenate([corners.min(axis=2), corners.max(axis=2)], axis=1)
    cut = hull.clip(0, 1)
    area, visible = _area(hull), _area(cut)
    # A missing box is NaN here, and NaN compares as False: it stays missing.
    kept = (visible > 0) & (visible >= min_visible * area)
    return torch.from_numpy(np.where(kept[:, None], cut, np.nan)).to(box)


def _area(box: np.ndarray) -> np.ndarray:
    return np.asarray(np.prod(box[:, 2:] - box[:, :2], axis=1))
