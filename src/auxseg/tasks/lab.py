"""RGB ↔ CIE Lab in batched torch, equal to scikit-image (sRGB, white point D65, 2° observer)."""

from __future__ import annotations

import torch
from torch import Tensor

#: Linear sRGB → XYZ; the white point XYZ of D65 that Lab is relative to.
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))  # fmt: skip  # noqa: E501
_WHITE = (0.95047, 1.0, 1.08883)

#: (f_x, f_y, f_z) → (L, a, b) + (16, 0, 0).
_LAB = ((0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0))


def rgb_to_lab(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] → (N, 3, H, W): L in [0, 100], a and b about −110 to 110."""
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    ratio = _mix(_XYZ, linear) / _column(_WHITE, image)
    root = torch.where(ratio > 0.008856, ratio.clamp_min(0.008856) ** (1 / 3), 7.787 * ratio + 16 / 116)  # fmt: skip  # noqa: E501
    return _mix(_LAB, root) - _column((16.0, 0.0, 0.0), image)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The way back; colours that no RGB has are clipped to [0, 1]."""
    lightness, a, b = lab.unbind(dim=1)
    middle = (lightness + 16) / 116
    root = torch.stack([middle + a / 500, middle, (middle - b / 200).clamp_min(0)], dim=1)
    ratio = torch.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787)
    inverse = torch.linalg.inv(torch.tensor(_XYZ, dtype=torch.float64)).tolist()
    linear = _mix(inverse, ratio * _column(_WHITE, lab))
    bright = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, bright, 12.92 * linear).clamp(0, 1)


def _mix(matrix: object, image: Tensor) -> Tensor:
    """A matrix on the channels of (N, 3, H, W)."""
    return torch.einsum("ij,njhw->nihw", torch.as_tensor(matrix).to(image), image)


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values).to(like).view(1, 3, 1, 1)
