"""EfficientNet-Lite0 (Liu et al. 2020): small, and fast on CPUs.

EfficientNet-B0 (Tan and Le 2019) without squeeze-and-excitation and with ReLU6 for swish. The
modules have timm's key names of ``tf_efficientnet_lite0``, and pad as TensorFlow does: at the right
and the bottom only, where a convolution halves an even side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from auxseg.models.checkpointing import region
from auxseg.models.encoders.base import Encoder, Level, Published, run_parts
from auxseg.models.layers import InOrder
from auxseg.models.weights import copy_into

#: TensorFlow's ε of batch norms.
EPSILON = 1e-3
STEM_CHANNELS = 32


class Group(NamedTuple):
    """Blocks of one kind, of which the first may halve the size."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    depth: int


#: Table 1 of Tan and Le (2019); Lite models do not scale the first and the last group's depth.
GROUPS = (
    Group(3, 1, 1, 16, 1),
    Group(3, 2, 6, 24, 2),
    Group(5, 2, 6, 40, 2),
    Group(3, 2, 6, 80, 3),
    Group(5, 1, 6, 112, 3),
    Group(5, 2, 6, 192, 4),
    Group(3, 1, 6, 320, 1),
)
#: The groups of each stage: a stage ends where the next group halves the size. The stem belongs to
#: the first.
STAGES = ((0,), (1,), (2,), (3, 4), (5, 6))


class EfficientNetLite0(InOrder, Encoder):
    """Five stages of inverted residual blocks, 3.4 M parameters.

    u_j are the features after a stage's first block, p_j those after its last.

    Args:
        in_channels: channels of the input image, 3 or 1.
        width: scales every channel count.
    """

    PUBLISHED = Published(
        url="https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/"
        "tf_efficientnet_lite0-0aa007d2.pth",
        sha256="0aa007d2",
        size=18,
        licence="Apache-2.0 (Google)",
    )

    strides = (2, 4, 8, 16, 32)
    out_stride = 32
    mean = std = (0.5, 0.5, 0.5)

    def __init__(self, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        widths = [_scaled(group.channels, width) for group in GROUPS]
        self.channels = tuple(widths[groups[-1]] for groups in STAGES)
        self.first_channels = tuple(widths[groups[0]] for groups in STAGES)
        stem = _scaled(STEM_CHANNELS, width)
        self.conv_stem = SameConv2d(in_channels, stem, kernel=3, stride=2)
        self.bn1 = _norm(stem)
        self.act = nn.ReLU6(inplace=True)
        self.blocks = nn.ModuleList()
        before = stem
        for group, channels in zip(GROUPS, widths, strict=True):
            blocks = []
            for number in range(group.depth):
                stride = group.stride if number == 0 else 1
                if group.expansion == 1:
                    block: nn.Module = SeparableBlock(before, channels, group.kernel, stride)
                else:
                    block = InvertedResidual(
                        before, channels, group.kernel, stride, group.expansion
                    )
                blocks.append(block)
                before = channels
            self.blocks.append(nn.Sequential(*blocks))

    def stage(self, number: int, features: Tensor) -> Level:
        stem = [self.conv_stem, self.bn1, self.act] if number == 0 else []
        first, *others = [
            block for group in STAGES[number] for block in self.blocks[group].children()
        ]
        parts = [*stem, first], others
        u, p = region(self.checkpointing, [*stem, first, *others], run_parts, *parts, features)
        return Level(u, p, p)

    def load(self, state: Mapping[str, Tensor], source: Path, grey: str = "skip") -> bool:
        """Takes timm's key names; what belongs to the classifier is passed over."""
        first = "conv_stem.weight"
        own = dict(self.state_dict())
        if own[first].shape[1] == 1:
            if grey == "skip":
                del own[first]
            elif first in state:
                state = {**state, first: state[first].sum(dim=1, keepdim=True)}
        for key, value in own.items():
            if not key.endswith("num_batches_tracked"):
                copy_into(value, state, key, source)
        return False


def _on_cpu(features: Tensor) -> bool:
    """Whether a CPU computes; the fake tensors of a dry run of memory stand for a GPU's."""
    return features.device.type == "cpu" and not isinstance(features, FakeTensor)


class SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does ("same") for even sides."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(
            in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False
        )
        self.before, self.behind = (kernel - 2) // 2, (kernel - 1) // 2

    def forward(self, features: Tensor) -> Tensor:
        if self.stride[0] > 1:
            sides = (self.before, self.behind) * 2
            features = F.pad(features, sides)
        if self.groups > 1 and _on_cpu(features):
            # CPUs have no fast bf16 gradient of depthwise convolutions: for 5×5 over 1152 channels
            # it took 33 ms where float32's took 12.
            with torch.autocast("cpu", enabled=False):
                return super().forward(features.to(self.weight.dtype))
        return super().forward(features)


class SeparableBlock(InOrder, nn.Module):
    """Depthwise convolution → 1×1 convolution; the first group's."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(
            in_channels, in_channels, kernel=kernel, stride=stride, groups=in_channels
        )
        self.bn1 = _norm(in_channels)
        self.conv_pw = SameConv2d(in_channels, out_channels, kernel=1)
        self.bn2 = _norm(out_channels)
        self.act = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.act(self.bn1(self.conv_dw(features)))
        found = self.bn2(self.conv_pw(found))
        return found + features if self.residual else found


class InvertedResidual(InOrder, nn.Module):
    """1×1 expansion → depthwise convolution → 1×1 projection (Sandler et al. 2018)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inside = in_channels * expansion
        self.conv_pw = SameConv2d(in_channels, inside, kernel=1)
        self.bn1 = _norm(inside)
        self.conv_dw = SameConv2d(inside, inside, kernel=kernel, stride=stride, groups=inside)
        self.bn2 = _norm(inside)
        self.conv_pwl = SameConv2d(inside, out_channels, kernel=1)
        self.bn3 = _norm(out_channels)
        self.act = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.act(self.bn1(self.conv_pw(features)))
        found = self.act(self.bn2(self.conv_dw(found)))
        found = self.bn3(self.conv_pwl(found))
        return found + features if self.residual else found


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))
