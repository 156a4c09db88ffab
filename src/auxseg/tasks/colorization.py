"""Colorization: the colours (a, b of Lab) from the lightness L (Zhang et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.tasks.base import (
    LabelledMean,
    MetricInfo,
    MetricValue,
    Task,
    TaskMetrics,
    checked_scale,
)
from auxseg.tasks.lab import lab_to_rgb, rgb_to_lab
from auxseg.tasks.psnr import IDENTICAL, psnr
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target

#: L is given, and a and b are predicted, as parts of this: L in [0, 1], a and b about ±1.
LAB_UNIT = 100.0


class Colorization(Task):
    """Mean squared error of a and b.

    Args:
        scale: factor of the loss. Grey has a squared error of about 0.013 to the colours of a
            photo; 50 brings it to the size of a two-class cross-entropy at the start.
    """

    NAME = "colorization"
    LABEL = None
    VIEW = "lightness"
    VIEW_CHANNELS = 1
    WEIGHT = 0.1
    REGRESSION = True
    LAYER = None
    METRICS: ClassVar = {
        "psnr": MetricInfo("colorization PSNR (dB)", IDENTICAL, digits=1),
        "ab_error": MetricInfo("error in ab", 0.0, higher_is_better=False, digits=1),
    }

    def __init__(self, classes: ClassNames, *, scale: float = 50.0) -> None:
        super().__init__(classes)
        self.scale = checked_scale(self.NAME, scale)

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 2)

    def view(self, images: LabelledImages) -> Tensor:
        """L / 100: float32 (N, 1, H, W) in [0, 1]."""
        return _lab_of(images)[:, :1] / LAB_UNIT

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 3, H, W), Lab / 100: L is there for metrics, not to be predicted."""
        return Target(_lab_of(images) / LAB_UNIT, images.counted)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """scale · MSE of (a, b) / 100 of each image: (N, 2, H, W) → (N,)."""
        return self.scale * (prediction - value[:, 1:]).square().flatten(1).mean(dim=1)

    def metrics(self) -> TaskMetrics:
        return ColorizationMetrics()

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``psnr`` of each image's picture in the predicted colours."""
        return {"psnr": _colour_psnr(prediction, value)}

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(a, b) in Lab's units at the photo's size, float32 (H, W, 2)."""
        colours = F.interpolate(
            LAB_UNIT * prediction[None].float(), size, mode="bilinear", align_corners=False
        )
        return colours[0].permute(1, 2, 0).cpu().numpy()

    def label(self, sample: Sample) -> np.ndarray:
        return _lab(sample.image)[..., 1:]

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """The photo's lightness in the colours found."""
        lab = torch.from_numpy(np.concatenate([_lab(photo)[..., :1], decoded], axis=2))
        colours = lab_to_rgb(lab.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
        return (255 * colours).round().to(torch.uint8).numpy()


def _lab_of(images: LabelledImages) -> Tensor:
    """float32 (N, 3, H, W), computed once for view and target: Lab is the loader's dearest part."""
    return images.once("lab", lambda: rgb_to_lab(images.image))


def _lab(photo: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB → float32 (H, W, 3) Lab."""
    image = torch.tensor(photo).permute(2, 0, 1)[None].float() / 255
    return rgb_to_lab(image)[0].permute(1, 2, 0).numpy()


def _colour_psnr(prediction: Tensor, value: Tensor) -> Tensor:
    """PSNR in RGB of true L with predicted colours to the true picture, (N,)."""
    coloured = torch.cat([value[:, :1], prediction], dim=1)
    return psnr(lab_to_rgb(LAB_UNIT * coloured), lab_to_rgb(LAB_UNIT * value))


class ColorizationMetrics(TaskMetrics):
    """Means over the images.

    ``psnr`` (dB) compares the picture of true L and predicted colours with the true one, in RGB;
    ``ab_error`` is the mean distance √(Δa² + Δb²) of the pixels, in Lab's units.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ratio, self.distance = LabelledMean(), LabelledMean()

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.ratio.add(_colour_psnr(prediction, value))
        error = LAB_UNIT * (prediction - value[:, 1:])
        self.distance.add(error.square().sum(dim=1).sqrt().flatten(1).mean(dim=1))

    def compute(self) -> dict[str, MetricValue]:
        return {"psnr": self.ratio.compute(), "ab_error": self.distance.compute()}

    def reset(self) -> None:
        self.ratio.reset()
        self.distance.reset()
