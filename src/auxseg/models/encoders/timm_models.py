"""The models of timm: found, made, and looked at in a dry run.

timm is an optional extra. This is the one file that imports it, when its first model is asked for.
Of a model it reads what timm says (channels, strides) and what a dry run without numbers shows
(:class:`Traits`): which modules make up a stage, and which sizes it takes.
"""

from __future__ import annotations

import difflib
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from auxseg.errors import UsageError, first_line
from auxseg.models.encoders.base import run_parts

#: What lets a model of fixed size take others; models know one of these options or none.
ANY_SIZE: tuple[dict[str, bool], ...] = (
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)
#: Of the dry run's image: multiples of every stride, not square.
DRY_SIZE = (192, 128)

#: Names of the modules of a stage: up to the end of its first block, and the others.
Stage = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Traits:
    """What an encoder has to know of a timm model.

    Attributes:
        options: what to make it with, beside its name and the channels of the image.
        channels, strides: of its levels; one level where all have the same stride, as in plain
            vision transformers.
        patch: pixels per position of the finest level. It is that level's stride, but for patches
            of 14 pixels (and the like): there images are shrunk to the grid of stride 16.
        size: the only size of images that it takes; None where it takes any.
        nhwc: whether its features have their channels last.
        stages: the modules of each level, where it runs stage by stage; else empty.
        first_channels: of what each stage's first block gives.
        unused: parameters that its levels do not depend on.
    """

    options: Mapping[str, bool]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    patch: int
    size: tuple[int, int] | None
    nhwc: bool
    stages: tuple[Stage, ...]
    first_channels: tuple[int, ...]
    unused: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether there is one grid of features only."""
        return len(self.strides) == 1


# -- making models ------------------------------------------------------------------------------


def package() -> Any:
    """timm; raises :class:`UsageError` where it does not import."""
    try:
        import timm
        import timm.models
    except Exception as error:  # torchvision, which timm imports, may raise anything
        raise UsageError(
            f"model.encoder: timm does not import ({first_line(error)}); "
            "pip install 'auxseg[encoders]'"
        ) from None
    return timm


def build(name: str, traits: Traits, in_channels: int, **weights: Any) -> Any:
    """A model that gives a list of its levels; with whatever weights timm draws, by default.

    Its stochastic depth and dropout, where it has any, are off: what checkpointing computes twice
    must be the same twice.
    """
    net = _create(name, traits.options, in_channels, plain=traits.plain, **weights)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "drop_prob"):
            module.drop_prob = 0.0
    for parameter in traits.unused:
        parent, _, leaf = parameter.rpartition(".")
        net.get_submodule(parent).register_parameter(leaf, None)
    return net


def _create(
    name: str, options: Mapping[str, bool], in_channels: int, *, plain: bool = False, **weights: Any
) -> Any:
    timm = package()
    given = {"in_chans": in_channels, **options, **weights}
    with _quiet():
        if not plain:
            return timm.create_model(name, features_only=True, **given)
        # What features_only would give, but with the last norm: it belongs to the weights.
        model = timm.create_model(name, num_classes=0, **given)
        net = timm.models._features.FeatureGetterNet(model, out_indices=1, norm=True)
        net.pretrained_cfg = model.pretrained_cfg
        return net


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what timm logs of keys and sizes: what matters is raised."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


# -- looking at them ----------------------------------------------------------------------------


@cache
def inspect(name: str) -> Traits:
    """Looks at a model on the meta device, where nothing is computed.

    Raises:
        UsageError: timm or the model is missing, or it gives no levels of features.
    """
    timm = package()
    known = [*timm.list_models(), *timm.list_pretrained()]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() lists all"
        raise UsageError(f"model.encoder: timm has no model {name!r}; {hint}")
    try:
        with torch.device("meta"), torch.inference_mode(False), torch.enable_grad():
            return _inspect(name)
    except Exception as error:  # models have their own ways to refuse
        raise UsageError(
            f"model.encoder: timm:{name} cannot be an encoder ({first_line(error)})"
        ) from None


def _inspect(name: str) -> Traits:
    options, net = _of_any_size(name)
    patches, channels = net.feature_info.reduction(), net.feature_info.channels()
    if len(set(patches)) == 1:
        patches, channels = patches[-1:], channels[-1:]
        net = _create(name, options, 3, plain=True)
    strides = [2 ** round(math.log2(patch)) for patch in patches]
    nhwc = str(getattr(net, "output_fmt", "")).endswith("NHWC")
    size, image = None, torch.empty(1, 3, *(side // strides[0] * patches[0] for side in DRY_SIZE))
    if not _takes(net, image, strides, nhwc):
        size = tuple(net.pretrained_cfg["input_size"][1:])
        image = torch.empty(1, 3, *size)
    torch.autograd.backward([level.sum() for level in net(image)])
    stages = []
    if size is None and patches == strides and len(strides) > 1:
        stages = _stages(net, image, nhwc)
    return Traits(
        options=options,
        channels=tuple(channels),
        strides=tuple(strides),
        patch=patches[0],
        size=size,
        nhwc=nhwc,
        stages=tuple(stage for stage, _ in stages),
        first_channels=tuple(first for _, first in stages) or tuple(channels),
        unused=tuple(key for key, parameter in net.named_parameters() if parameter.grad is None),
    )


def _of_any_size(name: str) -> tuple[Mapping[str, bool], Any]:
    """A model, with the option by which it takes images of any size, where it has one."""
    for options in ANY_SIZE[:-1]:
        with suppress(TypeError):  # an unknown option
            return options, _create(name, options, 3)
    return ANY_SIZE[-1], _create(name, ANY_SIZE[-1], 3)


def _takes(net: nn.Module, image: Tensor, strides: Sequence[int], nhwc: bool) -> bool:
    """Whether an image of another size than the model's own gives the grids that it should."""
    try:
        levels = net(image)
    except Exception:  # an assertion, or a shape that does not fit
        return False
    found = [list(level.shape[1:3] if nhwc else level.shape[2:]) for level in levels]
    return found == [[side // stride for side in DRY_SIZE] for stride in strides]


def _stages(net: Any, image: Tensor, nhwc: bool) -> list[tuple[Stage, int]]:
    """Each level's modules, and the channels after its first block; empty for other models."""
    names = _in_order(net)
    given: dict[str, Any] = {}
    handles = [
        net.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: given.__setitem__(name, output)
        )
        for name in names
    ]
    levels = net(image)
    for handle in handles:
        handle.remove()
    stages, start, features = [], 0, image
    for level in levels:
        # The last one: an activation in place gives the very tensor that it was given.
        ends = [number for number, name in enumerate(names) if given.get(name) is level]
        if not ends:
            return []  # it is joined of several tensors
        first, others = _split(net, names[start : ends[-1] + 1])
        u, p = _run(net, first, others, features)
        if u.shape[:-1] != p.shape[:-1] if nhwc else u.shape[2:] != p.shape[2:]:
            first, others, u = (*first, *others), (), p
        stages.append(((first, others), u.shape[-1 if nhwc else 1]))
        start, features = ends[-1] + 1, p
    return stages


def _in_order(net: Any) -> list[str]:
    """Names of the modules of a model that runs one after the other; empty for others."""
    models = package().models
    if isinstance(net, models.FeatureListNet):
        return list(net)
    mobile = (models.efficientnet.EfficientNetFeatures, models.mobilenetv3.MobileNetV3Features)
    if not isinstance(net, mobile):
        return []
    stem = [name for name, _ in net.named_children() if name != "blocks"]
    return [*stem, *(f"blocks.{number}" for number in range(len(net.blocks)))]


def _split(net: Any, names: Sequence[str]) -> Stage:
    """Parts a stage after its first block, where it ends in sequences of two blocks or more."""
    start = len(names)
    while start > 0 and type(net.get_submodule(names[start - 1])) is nn.Sequential:
        start -= 1
    blocks = [
        f"{name}.{child}"
        for name in names[start:]
        for child, _ in net.get_submodule(name).named_children()
    ]
    if len(blocks) < 2:
        return tuple(names), ()
    return (*names[:start], blocks[0]), tuple(blocks[1:])


def _run(
    net: Any, first: Sequence[str], others: Sequence[str], features: Tensor
) -> tuple[Tensor, Tensor]:
    return run_parts(
        [net.get_submodule(name) for name in first],
        [net.get_submodule(name) for name in others],
        features,
    )
