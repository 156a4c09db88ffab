"""What travels between data, tasks and models.

Shape legend, used all over the package:

    N  images in a batch          C  channels
    H  height, W  width (pixels)  K  classes of the segmentation mask
    T  tasks

Boxes are xyxy (xmin, ymin, xmax, ymax) in [0, 1], relative to the image's width and height.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

#: The one value that marks a mask's pixel as "not labelled" inside auxseg. A data set that uses
#: another value on disk translates it when it reads the file.
IGNORE_INDEX = 255

#: Up to so many bytes a tensor is pickled whole. What is shared between processes instead costs the
#: reader a connection of its own, half a millisecond, while the training step waits.
BY_VALUE = 1 << 14

#: An image's class index where the image has no class.
NO_LABEL = -1


@dataclass(frozen=True)
class ClassNames:
    """The names a data set gives its classes, in index order: all that tasks learn of the data.

    Attributes:
        mask: classes of the segmentation mask; empty if no image has a mask.
        label: classes of whole images; empty if no image has one.
    """

    mask: tuple[str, ...]
    label: tuple[str, ...]


@dataclass(frozen=True)
class HeadSpec:
    """The output a task asks for, as a plain value: ``assembly`` makes the module.

    Attributes:
        kind: ``"dense"`` for (N, channels, H, W), ``"global"`` for (N, channels).
        channels: number of output channels.
    """

    kind: Literal["dense", "global"]
    channels: int


@dataclass(frozen=True)
class Sample:
    """One image with whichever labels it has, before batching and augmentation.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        mask: uint8 (H, W), class indices and :data:`IGNORE_INDEX`; None without a mask.
        label: the image's class index; None without a class.
        box: float32 (4,), xyxy in [0, 1]; None without a box.
        extent: the share of the image's width and height that the photo takes; below 1 where the
            rest is padding.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    label: int | None = None
    box: np.ndarray | None = None
    extent: tuple[float, float] = (1.0, 1.0)


class _Transferable:
    """Moves every tensor of a dataclass, also those inside mappings and nested dataclasses."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._map(lambda value: value.to(*args, **kwargs))

    def pin_memory(self) -> Any:
        return self._map(lambda value: value.pin_memory())

    def __reduce__(self) -> tuple[Any, ...]:
        """Small tensors go to another process by value, the others through shared memory."""
        return _unpickled, (type(self), self._changed(_by_value))

    def _map(self, move: Any) -> Any:
        return replace(self, **self._changed(move))  # type: ignore[type-var]

    def _changed(self, change: Any) -> dict[str, Any]:
        def visit(value: Any) -> Any:
            if isinstance(value, (Tensor, _Transferable, np.ndarray)):
                return change(value)
            if isinstance(value, Mapping):
                return {key: visit(item) for key, item in value.items()}
            return value

        return {f.name: visit(getattr(self, f.name)) for f in fields(self) if f.init}  # type: ignore[arg-type]


def _by_value(value: Any) -> Any:
    if isinstance(value, Tensor) and value.device.type == "cpu" and value.nbytes <= BY_VALUE:
        return value.numpy()
    return value


def _unpickled(cls: type[Any], values: dict[str, Any]) -> Any:
    return cls(**values)._map(
        lambda one: torch.from_numpy(one) if isinstance(one, np.ndarray) else one
    )


@dataclass(frozen=True)
class LabelledImages(_Transferable):
    """A stacked (and, in training, augmented) batch from which tasks make views and targets.

    Attributes:
        image: float32 (N, 3, H, W), RGB in [0, 1].
        mask: uint8 (N, H, W); :data:`IGNORE_INDEX` everywhere for an image without a mask. Losses
            widen it: eight bytes per pixel are not to travel from the loader to a GPU.
        label: int64 (N,); :data:`NO_LABEL` for an image without a class.
        box: float32 (N, 4), xyxy in [0, 1]; NaN for an image without a box.
        has_mask: bool (N,).
        counted: bool (N,); False for an image repeated only to give every process equally many:
            no loss and no metric may see it.
        index: int64 (N,), the image's number in its data set: the key of its random numbers.
        epoch: the epoch the batch belongs to: the other half of that key.
        extent: float32 (N, 2), the share of the image's width and height that the photo takes;
            None where it takes all of every image.
    """

    image: Tensor
    mask: Tensor
    label: Tensor
    box: Tensor
    has_mask: Tensor
    counted: Tensor
    index: Tensor
    epoch: int = 0
    extent: Tensor | None = None
    _made: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What several callers need of these images, made by the first of them.

        Nobody may change it, or the images, in place. A changed copy (``dataclasses.replace``)
        starts anew.
        """
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @classmethod
    def without_labels(cls, image: Tensor) -> LabelledImages:
        """Images (N, 3, H, W) of which nothing is known, numbered from 0."""
        count, _, height, width = image.shape
        return cls(
            image=image,
            mask=torch.full((count, height, width), IGNORE_INDEX, dtype=torch.uint8),
            label=torch.full((count,), NO_LABEL),
            box=torch.full((count, 4), torch.nan),
            has_mask=torch.zeros(count, dtype=torch.bool),
            counted=torch.ones(count, dtype=torch.bool),
            index=torch.arange(count),
        )

    def rows(self, chosen: Tensor) -> LabelledImages:
        """Some of the images.

        Args:
            chosen: bool (N,).
        """
        if bool(chosen.all()):
            return self
        per_image = ["image", "mask", "label", "box", "has_mask", "counted", "index"]
        if self.extent is not None:
            per_image.append("extent")
        return replace(self, **{name: getattr(self, name)[chosen] for name in per_image})

    @property
    def has_label(self) -> Tensor:
        """bool (N,): which images have a class."""
        return self.label != NO_LABEL

    @property
    def has_box(self) -> Tensor:
        """bool (N,): which images have a box."""
        return ~torch.isnan(self.box).any(dim=1)


@dataclass(frozen=True)
class Target(_Transferable):
    """What one task should predict, and for which images that is known.

    Attributes:
        value: (N, …), the task's own dtype and shape; arbitrary where ``present`` is False.
        present: bool (N,). Loss and metrics run over these images only.
    """

    value: Tensor
    present: Tensor


class Route(NamedTuple):
    """Which output of the network a task reads: its own, or the primary task's."""

    task: str
    output: str


@dataclass(frozen=True)
class Example(_Transferable):
    """What a task is shown and what it should answer, made together.

    Attributes:
        view: float32 (N, C, H, W) in [0, 1].
        target: see :class:`Target`.
    """

    view: Tensor
    target: Target


@dataclass(frozen=True)
class Batch(_Transferable):
    """What the loader hands to training: the network's inputs and the target of every task.

    Attributes:
        views: view name → float32 (n, C, H, W) in [0, 1]: the images as some tasks see them. Each
            has a forward pass of its own; the first is the primary task's. In training, n images
            of the N that one of its tasks learns from; elsewhere all.
        routes: view name → who reads which output in it; every task reads one.
        targets: task name → :class:`Target`, for the images of its view.
        index: int64 (N,), the images' numbers in their data set.
        labelled: task name → how many images of the batch have its target: known to the processor
            before the batch is on a GPU, so that a training step need not wait to ask.
        asked: float32 (n, C, H, W), the images that a teacher is asked about, as they are; None in
            evaluation, where a network is its own teacher, and where no task asks one.
    """

    views: dict[str, Tensor]
    routes: dict[str, tuple[Route, ...]]
    targets: dict[str, Target]
    index: Tensor
    labelled: dict[str, int]
    asked: Tensor | None = None

    def view_of(self, task: str) -> Tensor:
        """The input that a task reads, (N, C, H, W)."""
        return next(
            self.views[view]
            for view, routes in self.routes.items()
            if any(route.task == task for route in routes)
        )
