"""What every multi-task architecture has in common: image in, one output per task out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from auxseg.models.encoders.vgg16 import Encoder
from auxseg.models.heads import DenseHead, Head
from auxseg.models.layers import pad_to_stride
from auxseg.models.norms import keeping_statistics

#: Mean and standard deviation of ImageNet's RGB in [0, 1], which VGG-16's weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class MultiTaskModel(nn.Module, ABC):
    """One network for several tasks. It is given ready heads and knows no task by name.

    A subclass is one file and one line in :data:`auxseg.models.ARCHITECTURES`. What belongs to one
    task alone lies in a ``ModuleDict`` under the task's name; everything else is shared.

    Args:
        heads: output name → head; :class:`DenseHead` outputs have the input's height and width.
        width: scales every channel count of trunk and decoders.
        in_channels: of the image: 3 for RGB, 1 for grey.
    """

    def __init__(self, heads: Mapping[str, Head], width: float = 1.0, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels, width)
        self.heads = nn.ModuleDict(dict(heads))
        self.checkpointing = "none"
        self.mean: Tensor
        self.std: Tensor
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        if in_channels == 1:
            mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        self.register_buffer("mean", mean.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", std.view(1, -1, 1, 1), persistent=False)

    @property
    def dense(self) -> tuple[str, ...]:
        """Names of the outputs that are images."""
        return tuple(name for name, head in self.heads.items() if isinstance(head, DenseHead))

    def forward(self, image: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Runs the network on images of any size.

        Args:
            image: float32 (N, in_channels, H, W) in [0, 1].
            names: the outputs wanted; all by default. What only others need is not computed.

        Returns:
            output name → (N, channels, H, W) for dense heads, (N, channels) for global ones.
        """
        height, width = image.shape[-2:]
        wanted = [name for name in self.heads if names is None or name in names]
        features = self.features(self.prepare(image), wanted)
        outputs = {name: self.heads[name](features[name]) for name in wanted}
        return {
            name: output[..., :height, :width] if name in self.dense else output
            for name, output in outputs.items()
        }

    def forward_views(
        self, views: Mapping[str, Tensor], routes: Mapping[str, Collection[str]]
    ) -> dict[str, Tensor]:
        """A forward pass per view, each for the outputs that read it.

        Running statistics of shared batch norms are updated in the first view's pass only: at
        prediction time it is the primary task that must find its own statistics there. In training
        every pass is normalised by its own batch all the same, and the norms of a task's own
        modules follow that task's view.

        Args:
            views: view name → images as for :meth:`forward`; the primary task's view first.
            routes: view name → the outputs that read it.
        """
        outputs: dict[str, Tensor] = {}
        for number, (view, image) in enumerate(views.items()):
            with keeping_statistics(self.shared_modules()) if number else nullcontext():
                outputs |= self(image, routes[view])
        return {name: outputs[name] for name in self.heads}

    def checkpoint_activations(self, mode: str) -> None:
        """Sets what training keeps: one of :data:`auxseg.models.checkpointing.MODES`."""
        for module in self.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = mode  # type: ignore[assignment]

    @property
    def encoders(self) -> list[Encoder]:
        """Every trunk that pre-trained weights go into."""
        return [self.encoder]

    def shared_modules(self) -> Iterator[nn.Module]:
        """All modules that belong to no single task."""
        for child in self.children():
            if not self._of_tasks(child):
                yield from child.modules()

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that belong to no single task."""
        return [
            parameter
            for child in self.children()
            if not self._of_tasks(child)
            for parameter in child.parameters()
        ]

    def specific_parameters(self) -> list[nn.Parameter]:
        """The parameters that belong to one task each: only its loss reaches them."""
        return [
            parameter
            for child in self.children()
            if self._of_tasks(child)
            for parameter in child.parameters()
        ]

    def _of_tasks(self, child: nn.Module) -> bool:
        return isinstance(child, nn.ModuleDict) and set(child) <= set(self.heads)

    def prune(self, names: Collection[str]) -> None:
        """Removes, in place, every module that none of these outputs needs."""
        for child in [child for child in self.children() if self._of_tasks(child)]:
            assert isinstance(child, nn.ModuleDict)
            for name in set(child) - set(names):
                del child[name]

    def prepare(self, image: Tensor) -> Tensor:
        """An image in [0, 1] → what the first convolution reads: normalised and padded."""
        return pad_to_stride(self.normalise(image))

    def normalise(self, image: Tensor) -> Tensor:
        """An image in [0, 1] → mean 0 and standard deviation 1 over ImageNet, same shape."""
        return (image - self.mean) / self.std

    @abstractmethod
    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """What each of these heads reads, from a prepared image.

        Returns:
            head name → (N, C_1, H, W) for dense heads, (N, C_5, H/32, W/32) for global ones.
        """
