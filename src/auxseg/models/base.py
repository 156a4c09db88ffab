"""What every multi-task architecture has in common: image in, one output per task out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from auxseg.models.encoder import Encoder
from auxseg.models.heads import DenseHead, Head
from auxseg.models.layers import pad_to_stride

#: Mean and standard deviation of ImageNet's RGB in [0, 1], which VGG-16's weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class MultiTaskModel(nn.Module, ABC):
    """One network for several tasks. It is given ready heads and knows no task by name.

    A subclass is one file and one line in :data:`auxseg.models.ARCHITECTURES`.

    Args:
        heads: output name → head; :class:`DenseHead` outputs have the input's height and width.
        width: scales every channel count of trunk and decoders.
    """

    def __init__(self, heads: Mapping[str, Head], width: float = 1.0) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels=3, width=width)
        self.heads = nn.ModuleDict(dict(heads))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @property
    def dense(self) -> tuple[str, ...]:
        """Names of the outputs that are images."""
        return tuple(name for name, head in self.heads.items() if isinstance(head, DenseHead))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Runs the network on images of any size.

        Args:
            image: float32 (N, 3, H, W), RGB in [0, 1].

        Returns:
            output name → (N, channels, H, W) for dense heads, (N, channels) for global ones.
        """
        height, width = image.shape[-2:]
        features = self.features(self.prepare(image))
        outputs = {name: head(features[name]) for name, head in self.heads.items()}
        return {
            name: output[..., :height, :width] if name in self.dense else output
            for name, output in outputs.items()
        }

    def prepare(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] → what the first convolution reads: normalised and padded."""
        return pad_to_stride((image - self.mean) / self.std)

    @abstractmethod
    def features(self, image: Tensor) -> dict[str, Tensor]:
        """What each head reads, from a prepared image: (N, C_1, H, W) or (N, C_5, H/32, W/32)."""
