"""Inpainting: what half of the image's patches hold, from the other half (Pathak et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from auxseg.tasks.base import (
    LabelledMean,
    MetricInfo,
    MetricValue,
    Task,
    TaskMetrics,
    checked_scale,
)
from auxseg.tasks.denoising import to_image, to_photo
from auxseg.tasks.psnr import IDENTICAL, psnr
from auxseg.types import ClassNames, Example, HeadSpec, LabelledImages, Sample, Target

#: Sets the patches apart from the other random numbers of the same seed, epoch and image.
_PURPOSE = 3

#: Patches along each side of the image.
GRID = 8

#: What hidden pixels show: the grey that the head's zero stands for, the same in every image, so
#: that it tells nothing of what it hides. No 8-bit pixel has this value.
FILL = 0.5

#: Stands in targets for pixels that are shown, which nobody is asked for.
SHOWN = -1.0


class Inpainting(Task):
    """Mean absolute error (L1) over the hidden pixels.

    The image is cut into 8×8 patches, an eighth of its sides long; where these are no multiple of
    8, some patches are a pixel longer. Of every image a random half of the patches is hidden
    (He et al. 2022 hide three quarters, from a transformer), and loss and metrics are of those
    alone. Photos that are to be predicted have every other patch hidden, as on a chessboard.

    Args:
        scale: factor of the loss. A grey answer has an absolute error of about 0.2 to a photo; 3
            brings that to the size of a two-class cross-entropy at the start.
    """

    NAME = "inpainting"
    LABEL = None
    VIEW = "patches"
    SHAREABLE = False
    DRAWS_TARGET = True
    WEIGHT = 0.1
    LAYER = None
    METRICS: ClassVar = {"psnr": MetricInfo("inpainting PSNR (dB)", IDENTICAL, digits=1)}
    REFERENCES: ClassVar = {"input_psnr": MetricInfo("PSNR of the hiding grey (dB)", 0.0, digits=1)}

    def __init__(self, classes: ClassNames, *, scale: float = 3.0) -> None:
        super().__init__(classes)
        self.scale = checked_scale(self.NAME, scale)

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 3)

    def example(self, images: LabelledImages, seed: int) -> Example:
        """The view are the images with a random half of their patches hidden."""
        keys = [(seed, images.epoch, int(number), _PURPOSE) for number in images.index]
        drawn = [np.random.default_rng(key).permutation(GRID**2) < GRID**2 // 2 for key in keys]
        patches = torch.from_numpy(np.stack(drawn)).view(-1, GRID, GRID)
        hidden = _pixels(patches, images.image)
        return Example(_hide(images.image, hidden), _target(images, hidden))

    def view(self, images: LabelledImages) -> Tensor:
        return _hide(images.image, _pixels(_chessboard(), images.image))

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 3, H, W): the image where it is hidden, elsewhere :data:`SHOWN`."""
        return _target(images, _pixels(_chessboard(), images.image))

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """scale · the mean over each image's hidden pixels: (N, 3, H, W) → (N,)."""
        hidden = value != SHOWN
        errors = torch.where(hidden, (to_image(prediction) - value).abs(), 0.0)
        counts = hidden.flatten(1).sum(dim=1).clamp_min(1)
        return self.scale * errors.flatten(1).sum(dim=1) / counts

    def metrics(self) -> TaskMetrics:
        return InpaintingMetrics()

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``psnr`` of each image, as :class:`InpaintingMetrics` defines it."""
        return {"psnr": _hidden_psnr(to_image(prediction).clamp(0, 1), value)}

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """The whole answer at the photo's size, uint8 (H, W, 3); only hidden patches count."""
        return to_photo(prediction, size)

    def label(self, sample: Sample) -> np.ndarray:
        return sample.image

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """The photo with the answer where :meth:`view` hid it."""
        hidden = _pixels(_chessboard(), torch.tensor(photo).permute(2, 0, 1)[None])[0, 0]
        return np.where(hidden.numpy()[..., None], decoded, photo)


def _chessboard() -> Tensor:
    """Every other patch: bool (1, 8, 8)."""
    steps = torch.arange(GRID)
    return ((steps[:, None] + steps) % 2 == 1)[None]


def _pixels(patches: Tensor, image: Tensor) -> Tensor:
    """Patches, bool (N, 8, 8), as pixels of images (N, C, H, W): bool (N, 1, H, W)."""
    height, width = image.shape[-2:]
    rows, columns = (torch.arange(side) * GRID // side for side in (height, width))
    return patches[:, rows][:, :, columns][:, None]


def _hide(image: Tensor, hidden: Tensor) -> Tensor:
    return torch.where(hidden, FILL, image)


def _target(images: LabelledImages, hidden: Tensor) -> Target:
    return Target(torch.where(hidden, images.image, SHOWN), images.counted)


def _hidden_psnr(image: Tensor, value: Tensor) -> Tensor:
    """PSNR over the hidden pixels of each image, (N,)."""
    return psnr(image, value, value != SHOWN)


class InpaintingMetrics(TaskMetrics):
    """The mean over the images of the PSNR (dB) of their hidden pixels.

    ``input_psnr``, where the input is given, is that of the grey in their place: what doing
    nothing would reach.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ratio, self.before = LabelledMean(), LabelledMean()

    def update(self, prediction: Tensor, target: Target, view: Tensor | None = None) -> None:
        super().update(prediction, target)
        if view is not None:
            self.before.add(_hidden_psnr(view[target.present], target.value[target.present]))

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.ratio.add(_hidden_psnr(to_image(prediction).clamp(0, 1), value))

    def compute(self) -> dict[str, MetricValue]:
        return {"psnr": self.ratio.compute(), "input_psnr": self.before.compute()}

    def reset(self) -> None:
        self.ratio.reset()
        self.before.reset()
