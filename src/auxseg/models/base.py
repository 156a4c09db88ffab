"""What every multi-task architecture has in common: image in, one output per task out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from auxseg.models.decoders.base import Decoder
from auxseg.models.encoders.base import Encoder
from auxseg.models.heads import DenseHead, Head
from auxseg.models.layers import pad_to_multiple
from auxseg.models.norms import keeping_statistics
from auxseg.types import Route


@dataclass(frozen=True)
class Parts:
    """What an architecture makes more of, where it wants more than the first.

    Attributes:
        encoder: makes a further encoder, like the first.
        decoder: makes the decoder of a dense output, for an encoder.
        columns: the outputs in the order of their columns (progressive networks); empty for the
            architecture's own order.
    """

    encoder: Callable[[], Encoder]
    decoder: Callable[[Encoder], Decoder]
    columns: tuple[str, ...] = ()


class MultiTaskModel(nn.Module, ABC):
    """One network for several tasks. It is given ready heads and knows no task by name.

    A subclass is one file and one line in :data:`auxseg.models.architectures.ARCHITECTURES`. It
    declares what belongs to one output alone (:attr:`PER_TASK`, :meth:`own_modules`); everything
    else is shared.

    Args:
        heads: output name → head; :class:`DenseHead` outputs have the input's height and width.
        encoder: the primary output's, or everybody's.
        parts: what else it is made of.

    Attributes:
        PER_TASK: names of the ``ModuleDict`` attributes that hold an output's own modules.
        NEEDS_STAGES: whether its encoder must run stage by stage.
        NEEDS_INDICES: whether its encoder must have pooling indices.
        read_by_several: outputs that more than one task reads: what belongs to them is shared by
            these tasks.
    """

    PER_TASK: ClassVar[tuple[str, ...]] = ("heads", "decoders")
    NEEDS_STAGES: ClassVar[bool] = False
    NEEDS_INDICES: ClassVar[bool] = False

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__()
        self.encoder = encoder
        #: Sides of what :meth:`features` reads are multiples of it.
        self.stride = encoder.out_stride
        self.heads = nn.ModuleDict(dict(heads))
        self.read_by_several: frozenset[str] = frozenset()
        self.checkpointing = "none"
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(encoder.mean), persistent=False)
        self.register_buffer("std", torch.tensor(encoder.std), persistent=False)

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
        self, views: Mapping[str, Tensor], routes: Mapping[str, Collection[Route]]
    ) -> dict[str, Tensor]:
        """A forward pass per view, each for the outputs that are read there.

        In training every pass is normalised by its own batch. Running statistics are updated, of
        shared modules, in the first view's pass only: at prediction time it is the primary task
        that must find its own statistics there; of an output's own modules in the pass of its own
        task's view.

        Args:
            views: view name → images as for :meth:`forward`; the primary task's view first.
            routes: view name → who reads which output there.

        Returns:
            task name → the output that it reads, in its view.
        """
        predictions: dict[str, Tensor] = {}
        for number, (view, image) in enumerate(views.items()):
            with self._updating(routes[view], shared=number == 0, alone=len(views) == 1):
                outputs = self(image, {route.output for route in routes[view]})
            predictions |= {route.task: outputs[route.output] for route in routes[view]}
        return predictions

    def _updating(
        self, routes: Collection[Route], *, shared: bool, alone: bool
    ) -> AbstractContextManager[None]:
        """Where running statistics may be updated: see :meth:`forward_views`."""
        if alone:
            return nullcontext()
        own = {route.output for route in routes if route.task == route.output}
        others = [
            module
            for name in self.heads
            if name not in own
            for part in self.own_modules(name)
            for module in part.modules()
        ]
        return keeping_statistics([*others, *([] if shared else self.shared_modules())])

    def checkpoint_activations(self, mode: str) -> None:
        """Sets what training keeps: one of :data:`auxseg.models.checkpointing.MODES`."""
        for module in self.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = mode  # type: ignore[assignment]

    @property
    def encoders(self) -> list[Encoder]:
        """Every encoder that pre-trained weights go into."""
        return [self.encoder]

    def freeze_encoders(self) -> None:
        """Stops training of everything that pre-trained weights go into."""
        for encoder in self.encoders:
            encoder.freeze()

    def freeze_norms(self) -> None:
        """Keeps the batch statistics of everything that pre-trained weights go into."""
        for encoder in self.encoders:
            encoder.freeze_norms()

    # -- who owns what --------------------------------------------------------------------------

    def own_modules(self, name: str) -> Iterator[nn.Module]:
        """The modules that the losses of no other output reach."""
        for attribute in self.PER_TASK:
            modules = getattr(self, attribute, {})
            if name in modules:
                yield modules[name]

    def shared_modules(self) -> Iterator[nn.Module]:
        """All modules that belong to no single output, and hold none that do."""
        owned = {
            id(module)
            for name in self.heads
            for part in self.own_modules(name)
            for module in part.modules()
        }
        for module in self.modules():
            if not any(id(part) in owned for part in module.modules()):
                yield module

    def shared_parameters(self) -> list[nn.Parameter]:
        """The trainable parameters that the losses of several tasks can reach."""
        owned = self._owned()
        return [one for one in self.parameters() if one.requires_grad and id(one) not in owned]

    def specific_parameters(self) -> list[nn.Parameter]:
        """The trainable parameters that one task's loss alone reaches."""
        owned = self._owned()
        return [one for one in self.parameters() if one.requires_grad and id(one) in owned]

    def _owned(self) -> set[int]:
        return {
            id(parameter)
            for name in self.heads
            if name not in self.read_by_several
            for module in self.own_modules(name)
            for parameter in module.parameters()
        }

    def prune(self, names: Collection[str]) -> None:
        """Removes, in place, every module that none of these outputs needs."""
        for attribute in self.PER_TASK:
            modules = getattr(self, attribute, {})
            for name in set(modules) - set(names):
                del modules[name]

    # -- from image to features -----------------------------------------------------------------

    def prepare(self, image: Tensor) -> Tensor:
        """An image in [0, 1] → what the first convolution reads: normalised and padded."""
        return pad_to_multiple(self.normalise(image), self.stride)

    def normalise(self, image: Tensor) -> Tensor:
        """An image in [0, 1] → what the encoder's weights expect, same shape.

        Grey images are normalised by the mean of RGB's means and standard deviations.
        """
        mean, std = self.mean, self.std
        if image.shape[1] == 1:
            mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        return (image - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)

    @abstractmethod
    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """What each of these heads reads, from a prepared image.

        Returns:
            head name → (N, D, H, W) for dense heads, with D the decoder's channels; (N, C_L, H/s,
            W/s) for global ones, with C_L the last level's channels and s the encoder's stride.
        """
