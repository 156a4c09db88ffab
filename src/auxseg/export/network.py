"""A trained network as it is shipped: some of its tasks, batch norms folded, any input size."""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from auxseg.models import MultiTaskModel
from auxseg.models.layers import InOrder, pad_to_multiple
from auxseg.tasks import Views
from auxseg.types import LabelledImages


class Traceable(nn.Module, ABC):
    """What can be written as a file.

    Attributes:
        INPUT: the name of its input.
        size: the only height and width of the pictures that its layers see; None for any.
        free: the axes of the input whose size is free.
    """

    INPUT: ClassVar[str]
    size: int | None

    @property
    @abstractmethod
    def free(self) -> tuple[int, ...]: ...

    @abstractmethod
    def example(self) -> Tensor:
        """An input to trace. No free size may be 0 or 1, or equal another: the tracer would take
        that for the rule."""


class ShippedNetwork(Traceable):
    """RGB in [0, 1] → the raw outputs of the chosen tasks; views and normalisation are inside.

    Sizes are traced as symbols here, so nothing may branch on them: where the model itself pads
    and crops by Python's integers, this gathers rows and columns by index. Encoders that
    branch on sizes themselves are traced for one size.

    Args:
        model: the trained network, in evaluation mode; it is copied.
        views: which input each of its tasks reads.
        names: the tasks to keep.
        size: the only height and width of the images; None for any.
    """

    INPUT: ClassVar[str] = "image"

    def __init__(
        self, model: MultiTaskModel, views: Views, names: Sequence[str], size: int | None = None
    ) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.model.prune(names)
        fold_norms(self.model)
        self.views, self.names, self.size = views, tuple(names), size

    @property
    def free(self) -> tuple[int, ...]:
        return (0, 2, 3) if self.size is None else (0,)

    def example(self) -> Tensor:
        height, width = (70, 90) if self.size is None else (self.size, self.size)
        return torch.rand(2, 3, height, width)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """float32 (N, 3, H, W) → task → (N, K, H, W) or (N, K), as the heads give it."""
        rows, columns = (torch.arange(side) for side in image.shape[-2:])
        pad = pad_any if self.size is None else pad_to_multiple
        views = self.views(LabelledImages.without_labels(image))
        outputs: dict[str, Tensor] = {}
        for view, routes in self.views.routes.items():
            names = [route.output for route in routes if route.task in self.names]
            if names:
                padded = pad(self.model.normalise(views[view]), self.model.stride)
                features = self.model.features(padded, names)
                outputs |= {name: self.model.heads[name](features[name]) for name in names}
        return {
            name: outputs[name][:, :, rows][..., columns]
            if name in self.model.dense
            else outputs[name]
            for name in self.names
        }


def fold_norms(model: nn.Module) -> None:
    """Folds batch norms into the convolutions before them, in place (evaluation mode).

    In modules whose children run in the order of their names (:class:`InOrder`): those of other
    packages keep theirs.
    """
    for module in [module for module in model.modules() if isinstance(module, InOrder)]:
        for (first, layer), (second, norm) in itertools.pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(layer, norm))
                setattr(module, second, nn.Identity())


def pad_any(image: Tensor, stride: int) -> Tensor:
    """:func:`auxseg.models.layers.pad_to_multiple` for sizes that are symbols."""
    height, width = image.shape[-2:]
    rows = torch.arange(stride * _tiles(height, stride)).clamp(max=height - 1)
    columns = torch.arange(stride * _tiles(width, stride)).clamp(max=width - 1)
    return image[:, :, rows][..., columns]


def _tiles(side: int, stride: int) -> int:
    """How many strides cover a side, as a size that the tracer knows nothing of.

    Were it (side + 31) // 32, the tracer would find out that one tile makes the deepest features
    1 pixel wide, take that for a special case, and refuse sides up to 32.
    """
    count = torch.nonzero(torch.arange(side) % stride == 0).shape[0]
    torch._check(count >= 1)  # type: ignore[no-untyped-call]
    return count
