"""The last layers of a task: dense outputs at image size, or one vector per image."""

from __future__ import annotations

from torch import Tensor, nn

from auxseg.models.layers import BLOCK_CHANNELS, block_channels
from auxseg.types import HeadSpec


class FinalLinear(nn.Linear):
    """A linear layer without an activation behind it: it starts near zero (see ``initialise``)."""


class DenseHead(nn.Conv2d):
    """3×3 convolution from decoder features to a task's channels: (N, C_1, H, W) → (N, K, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)


class GlobalHead(nn.Module):
    """Encoder features → one vector: (N, C_5, H/32, W/32) → (N, channels).

    The features are averaged over a 4×4 grid, not over the whole image: a box head must see
    *where* things are. Dropout stands before both linear layers, as in VGG-16's classifier.
    """

    GRID = 4

    def __init__(
        self, in_channels: int, out_channels: int, hidden: int, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(self.GRID)
        self.hidden = nn.Linear(in_channels * self.GRID**2, hidden)
        self.output = FinalLinear(hidden, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        flat = self.pool(features).flatten(1)
        return self.output(self.dropout(self.activation(self.hidden(self.dropout(flat)))))


Head = DenseHead | GlobalHead


def make_head(spec: HeadSpec, width: float = 1.0) -> Head:
    """The module for what a task declares, sized for the trunk at this width."""
    channels = block_channels(width)
    if spec.kind == "dense":
        return DenseHead(channels[0], spec.channels)
    return GlobalHead(
        channels[-1], spec.channels, hidden=max(32, round(BLOCK_CHANNELS[-1] * width))
    )
