"""VGG-16's convolutions with batch norm, as in SegNet (Badrinarayanan et al. 2017)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.models.checkpointing import region
from auxseg.models.encoders.base import Encoder, Level, Published
from auxseg.models.encoders.vgg16_weights import calibrate, load, named
from auxseg.models.layers import ConvBNReLU

#: Output channels of the five blocks (Simonyan and Zisserman 2015, configuration D).
BLOCK_CHANNELS = (64, 128, 256, 512, 512)
#: 3×3 convolutions in each of those blocks.
BLOCK_DEPTHS = (2, 2, 3, 3, 3)


def block_channels(width: float) -> tuple[int, ...]:
    """Channel counts of the five blocks at a width; 1.0 is VGG-16's own.

    >>> block_channels(0.125)
    (8, 16, 32, 64, 64)
    """
    return tuple(max(4, round(channels * width)) for channels in BLOCK_CHANNELS)


class VGG16(Encoder):
    """13 convolutions in five blocks, each ending in a 2×2 max pooling that keeps its indices.

    u_j are the features after a block's first convolution, p_j those after its last, ``next`` is
    p_j after the pooling.

    Args:
        in_channels: channels of the input image, 3 or 1.
        width: scales every channel count.

    Attributes:
        depths: convolutions of each block, which SegNet's decoder mirrors.
    """

    PUBLISHED = Published(
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        size=528,
        licence="BSD-3-Clause (torchvision; the original's is CC BY 4.0)",
    )

    strides = (1, 2, 4, 8, 16)
    out_stride = 32
    unpools = True
    depths = BLOCK_DEPTHS

    def __init__(self, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        self.channels = self.first_channels = block_channels(width)
        blocks = []
        for out_channels, depth in zip(self.channels, BLOCK_DEPTHS, strict=True):
            sizes = [in_channels] + [out_channels] * depth
            blocks.append(nn.ModuleList(ConvBNReLU(a, b) for a, b in itertools.pairwise(sizes)))
            in_channels = out_channels
        self.blocks = nn.ModuleList(blocks)

    @property
    def hidden(self) -> int:
        return max(32, self.channels[-1])  # any width: runs of every width exist

    def stage(self, number: int, features: Tensor) -> Level:
        layers = self.blocks[number]
        return Level(*region(self.checkpointing, [layers], _run, layers, features))

    def layers(self) -> list[ConvBNReLU]:
        """The 13 convolution layers in order, as VGG-16 numbers them."""
        return [layer for layer in self.modules() if isinstance(layer, ConvBNReLU)]

    def load(self, state: Mapping[str, Tensor], source: Path, grey: str = "skip") -> bool:
        """Takes torchvision's key names, with or without batch norms; see ``vgg16_weights``."""
        return load(self.layers(), state, source, grey)

    def published(self) -> dict[str, Tensor]:
        """torchvision's names of the form with batch norms."""
        return named(self.layers())

    def calibrate(self, batches: list[Tensor]) -> None:
        calibrate(self.blocks, batches)


def _run(layers: nn.Module, features: Tensor) -> Level:
    first, *others = layers.children()
    u = p = first(features)
    for layer in others:
        p = layer(p)
    pooled, indices = F.max_pool2d(p, kernel_size=2, return_indices=True)
    return Level(u, p, pooled, indices)
