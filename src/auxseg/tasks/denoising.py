"""Denoising: the clean image from one with Gaussian noise. Its target is the image itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from auxseg.errors import UsageError
from auxseg.tasks.base import (
    LabelledMean,
    MetricInfo,
    MetricValue,
    Task,
    TaskMetrics,
    checked_scale,
)
from auxseg.tasks.psnr import IDENTICAL, psnr
from auxseg.types import ClassNames, Example, HeadSpec, LabelledImages, Sample, Target

#: Sets the noise apart from the other random numbers of the same seed, epoch and image.
_PURPOSE = 1


class Denoising(Task):
    """Mean squared error to the clean image.

    Args:
        std: standard deviation of the noise, in steps of 8-bit images. The paper's "std 2" is
            read as 2 of 255, which is hardly visible (42 dB): ``input_psnr`` says so beside the
            output's.
        scale: factor of the loss. A grey picture has a squared error of about 0.07 to a photo; 10
            brings it to the size of a two-class cross-entropy at the start.
    """

    NAME = "denoising"
    LABEL = None
    VIEW = "noisy"
    WEIGHT = 0.1
    REGRESSION = True
    LAYER = None
    METRICS: ClassVar = {
        "psnr": MetricInfo("denoising PSNR (dB)", IDENTICAL, digits=1),
        "ssim": MetricInfo("denoising SSIM", 1.0),
    }
    REFERENCES: ClassVar = {"input_psnr": MetricInfo("PSNR of the noisy input (dB)", 0.0, digits=1)}

    def __init__(self, classes: ClassNames, *, std: float = 2.0, scale: float = 10.0) -> None:
        super().__init__(classes)
        if not 0 <= std <= 255:
            raise UsageError(f"tasks.options.denoising.std: {std} is not between 0 and 255")
        self.std, self.scale = std, checked_scale(self.NAME, scale)

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 3)

    def example(self, images: LabelledImages, seed: int) -> Example:
        """The view are the images with noise, clipped to [0, 1] as a camera does."""
        shape = images.image.shape[1:]
        keys = [(seed, images.epoch, int(number), _PURPOSE) for number in images.index]
        noise = np.stack(
            [np.random.default_rng(key).standard_normal(shape, np.float32) for key in keys]
        )
        noisy = (images.image + self.std / 255 * torch.from_numpy(noise)).clamp_(0, 1)
        return Example(noisy, self.target(images))

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 3, H, W) in [0, 1], the clean image."""
        return Target(images.image, images.counted)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """scale · MSE of each image: (N, 3, H, W) → (N,)."""
        return self.scale * (to_image(prediction) - value).square().flatten(1).mean(dim=1)

    def metrics(self) -> TaskMetrics:
        return DenoisingMetrics()

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """``psnr`` of each image, as :class:`DenoisingMetrics` defines it."""
        return {"psnr": psnr(to_image(prediction).clamp(0, 1), value)}

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
        """The cleaned image at the photo's size, uint8 (H, W, 3), as sharp as the training size."""
        return to_photo(prediction, size)

    def label(self, sample: Sample) -> np.ndarray:
        return sample.image

    def picture(self, photo: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        """The cleaned image itself."""
        return decoded.copy()


def to_image(prediction: Tensor) -> Tensor:
    """The head's output → RGB: zero stands for mid-grey, so training starts there."""
    return prediction + 0.5


def to_photo(prediction: Tensor, size: tuple[int, int]) -> np.ndarray:
    """The head's output for one image, (3, S, S), at a photo's size: uint8 (H, W, 3), RGB."""
    image = F.interpolate(
        to_image(prediction[None].float()), size, mode="bilinear", align_corners=False
    )
    levels = (255 * image[0].clamp(0, 1)).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


class DenoisingMetrics(TaskMetrics):
    """Means over the images of PSNR (dB) and SSIM (Wang et al. 2004) to the clean image.

    SSIM is torchmetrics': Gaussian window of 11 pixels, σ 1.5, averaged over the whole image with
    its border reflected (scikit-image leaves 5 pixels at the border out).
    ``input_psnr``, where the input is given, is the PSNR of the noisy image itself: what doing
    nothing would reach.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ratio, self.similarity, self.before = LabelledMean(), LabelledMean(), LabelledMean()

    def update(self, prediction: Tensor, target: Target, view: Tensor | None = None) -> None:
        super().update(prediction, target)
        if view is not None:
            self.before.add(psnr(view[target.present], target.value[target.present]))

    def add(self, prediction: Tensor, value: Tensor) -> None:
        image = to_image(prediction).clamp(0, 1)
        self.ratio.add(psnr(image, value))
        similarity = structural_similarity_index_measure(
            image, value, data_range=1.0, reduction="none"
        )
        assert isinstance(similarity, Tensor)
        self.similarity.add(similarity)

    def compute(self) -> dict[str, MetricValue]:
        return {
            "psnr": self.ratio.compute(),
            "ssim": self.similarity.compute(),
            "input_psnr": self.before.compute(),
        }

    def reset(self) -> None:
        self.ratio.reset()
        self.similarity.reset()
        self.before.reset()
