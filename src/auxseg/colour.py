"""Random changes of an image's colours: one matrix and one grey per image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Weights of red, green and blue in an image's grey value (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])

# NTSC. The rows of I and Q sum to zero, so a rotation of (I, Q) leaves greys as they are.
_RGB_TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)


@dataclass(frozen=True, kw_only=True)
class ColourChange:
    """What happens to the colours of each of N images; float64 (N,) each.

    Attributes:
        brightness, contrast, saturation: factors; 1 changes nothing.
        hue: radians, by which colours are turned in the YIQ plane.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray

    def colour(self) -> np.ndarray:
        """float64 (N, 3, 3): brightness, contrast, saturation and hue as one matrix on RGB.

        What contrast adds to it is in :meth:`grey_share`.
        """
        cos, sin, zero, one = np.cos(self.hue), np.sin(self.hue), 0 * self.hue, 0 * self.hue + 1
        rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]
        hue = _YIQ_TO_RGB @ np.array(rows).transpose(2, 0, 1) @ _RGB_TO_YIQ
        keep = self.saturation[:, None, None]
        saturation = keep * np.eye(3) + (1 - keep) * np.tile(LUMA, (3, 1))
        gain = (self.contrast * self.brightness)[:, None, None]
        return np.asarray(gain * (hue @ saturation))

    def grey_share(self) -> np.ndarray:
        """float64 (N,): how much of the image's mean grey is added to every channel.

        Contrast works about the mean grey of the brightened image; saturation and hue leave
        that grey as it is.
        """
        return np.asarray((1 - self.contrast) * self.brightness)

    def recolour(self, image: Tensor) -> Tensor:
        """Float (N, 3, H, W) in [0, 1] → the same, clamped once, at the end."""
        matrix = torch.from_numpy(self.colour()).to(image)
        mean_grey = image.mean(dim=(2, 3)) @ torch.from_numpy(LUMA).to(image)
        offset = torch.from_numpy(self.grey_share()).to(image) * mean_grey
        coloured = torch.bmm(matrix, image.flatten(2)).add_(offset[:, None, None])
        return coloured.clamp_(0, 1).view_as(image)
