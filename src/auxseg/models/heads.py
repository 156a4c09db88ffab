"""The last layers of a task: dense outputs at image size, or one vector per image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auxseg.types import HeadSpec


class FinalLinear(nn.Linear):
    """A linear layer without an activation behind it: it starts near zero (see ``initialise``)."""


class DenseHead(nn.Conv2d):
    """3×3 convolution from decoder features to a task's channels: (N, D, H, W) → (N, K, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)


class GridPool(nn.Module):
    """Means over a grid of cells, those of ``nn.AdaptiveAvgPool2d(grid)``, as matrix products.

    That one's gradients differ from run to run on a GPU where the grid does not divide the sides,
    and ONNX knows it for fixed sizes alone.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, grid, grid)."""
        rows, columns = (self._cells(side, features) for side in features.shape[-2:])
        # Members first, then how many: in 16 bits a third would be rounded.
        lines = rows @ features / rows.sum(dim=1)[:, None]
        means: Tensor = lines @ columns.T / columns.sum(dim=1)
        return means

    def _cells(self, side: int, like: Tensor) -> Tensor:
        """(grid, side): row i is 1 at positions ⌊i·side/grid⌋ to ⌈(i+1)·side/grid⌉ − 1, else 0."""
        cell = torch.arange(self.grid, device=like.device)[:, None]
        position = torch.arange(side, device=like.device)[None]
        first, end = cell * side // self.grid, ((cell + 1) * side + self.grid - 1) // self.grid
        return ((position >= first) & (position < end)).to(like.dtype)


class GlobalHead(nn.Module):
    """Encoder features → one vector: (N, C, H, W) → (N, channels).

    The features are averaged over a 4×4 grid, not over the whole image: a box head must see
    *where* things are. Dropout comes before both linear layers, as in VGG-16's classifier.
    """

    GRID = 4

    def __init__(
        self, in_channels: int, out_channels: int, hidden: int, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.pool = GridPool(self.GRID)
        self.hidden = nn.Linear(in_channels * self.GRID**2, hidden)
        self.output = FinalLinear(hidden, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        flat = self.pool(features).flatten(1)
        found: Tensor = self.output(self.dropout(self.activation(self.hidden(self.dropout(flat)))))
        return found


Head = DenseHead | GlobalHead


def make_head(spec: HeadSpec, *, dense: int, encoded: int, hidden: int) -> Head:
    """The module for what a task declares.

    Args:
        dense: channels of the decoder's output, which a dense head reads.
        encoded: channels of the encoder's output, which a global head reads.
        hidden: units of a global head's hidden layer.
    """
    if spec.kind == "dense":
        return DenseHead(dense, spec.channels)
    return GlobalHead(encoded, spec.channels, hidden)
