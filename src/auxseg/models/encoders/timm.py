"""Encoders of timm: ``timm:NAME`` is any of its models that gives features at several strides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auxseg.errors import DataError, UsageError, first_line
from auxseg.models.checkpointing import region
from auxseg.models.encoders.base import Encoder, Level, run_parts
from auxseg.models.encoders.pyramid import FinerLevels, GridPyramid, on_grid, resized
from auxseg.models.encoders.timm_models import Traits, build, inspect, package


class TimmEncoder(Encoder):
    """A model of timm behind the contract of all encoders.

    Models that are a list of modules run stage by stage; u_j is what the first block gives where a
    stage ends in sequences of blocks, else p_j. All others run as a whole, with u_j = p_j. Levels
    that a model does not have come from :mod:`auxseg.models.encoders.pyramid`.

    Args:
        name: timm's, with or without the tag of its weights.
        in_channels: channels of the input image, 3 or 1.
        width: 1; timm's models come in the sizes that they have.

    Raises:
        UsageError: timm or the model is missing, the model is no encoder, or the width is not 1.
    """

    NAMED = True
    SCALES = False

    def __init__(self, name: str, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        if width != 1:
            raise UsageError(
                f"model.width: timm:{name} has one width; use --width 1, or a built-in encoder"
            )
        self.name, self.in_channels = name, in_channels
        self.traits = traits = inspect(name)
        net = build(name, traits, in_channels)
        self.mean, self.std = tuple(net.pretrained_cfg["mean"]), tuple(net.pretrained_cfg["std"])
        self.net: nn.Module = net
        if traits.plain:
            self.pyramid: GridPyramid | FinerLevels = GridPyramid(traits.channels[0])
            self.channels, self.strides = self.pyramid.channels, self.pyramid.strides
            self.first_channels = self.channels
        else:
            self.pyramid = FinerLevels(in_channels, traits.strides[0])
            self.strides = (*self.pyramid.strides, *traits.strides)
            self.channels = (*self.pyramid.channels, *traits.channels)
            self.first_channels = (*self.pyramid.channels, *traits.first_channels)
        self.out_stride = self.strides[-1]
        # A stage hands on one tensor: the image, once, beside the first level of the pyramid.
        self.staged = bool(traits.stages) and len(self.pyramid) <= 1
        self.beside = len(self.pyramid) if self.staged else 0

    # -- from image to levels -------------------------------------------------------------------

    def stage(self, number: int, features: Tensor) -> Level:
        if number < self.beside:
            layer = self.pyramid[number]
            finer = region(self.checkpointing, [layer], layer, features)
            return Level(finer, finer, features)
        own = number - self.beside
        first, others = (
            [self.net.get_submodule(name) for name in names] for names in self.traits.stages[own]
        )
        given = _nhwc(features) if self.traits.nhwc and own > 0 else features
        u, p = region(self.checkpointing, [*first, *others], run_parts, first, others, given)
        if self.traits.nhwc:
            u, p = _nchw(u), _nchw(p)
        return Level(u, p, p) if others else Level(p, p, p)

    def forward(self, image: Tensor) -> list[Level]:
        if self.staged:
            return super().forward(image)
        own = region(self.checkpointing, [self.net], self._own, image)
        if isinstance(self.pyramid, GridPyramid):
            levels = self.pyramid(own[0], image)
        else:
            levels = [*self.pyramid(image), *own]
        return [Level(features, features, features) for features in levels]

    def _own(self, image: Tensor) -> list[Tensor]:
        """The model's own levels."""
        traits = self.traits
        given = image
        if traits.size is not None:
            given = resized(image, traits.size)
        elif traits.patch != traits.strides[0]:
            stride = traits.strides[0]
            given = resized(image, [side // stride * traits.patch for side in image.shape[-2:]])
        levels: list[Tensor] = self.net(given)
        if traits.nhwc:
            levels = [_nchw(features) for features in levels]
        if traits.size is None or traits.plain:
            return levels
        return [
            on_grid(features, image, stride)
            for features, stride in zip(levels, traits.strides, strict=True)
        ]

    def prune(self) -> None:
        self.pyramid.prune()

    # -- weights --------------------------------------------------------------------------------

    @property
    def licence(self) -> str | None:
        net: Any = self.net
        said = net.pretrained_cfg.get("license")
        return None if said in (None, "", "unknown") else str(said)

    def pretrained(self) -> Iterator[nn.Module]:
        yield self.net

    def draw(self, seed: int) -> nn.Module:
        """timm's own starting weights, of this seed."""
        own = _drawn(self.name, self.traits, self.in_channels, seed)
        if self.in_channels != 3:
            # As for every encoder, the image's channels change the first convolution alone.
            for key, value in _drawn(self.name, self.traits, 3, seed).items():
                if own[key].shape == value.shape:
                    own[key] = value
        self.net.load_state_dict(own)
        return self.net

    def load_published(self, grey: str = "skip") -> None:
        """The weights that timm fetches, or has fetched before."""
        try:
            net = build(self.name, self.traits, 3, pretrained=True)
        except Exception as error:  # of the network, of the hub's package, of the file
            raise DataError(
                f"timm:{self.name}: its published weights cannot be had ({first_line(error)}); "
                "--weights takes a file of your own, or none"
            ) from None
        self._take(net.state_dict(), grey)

    def load(self, state: Mapping[str, Tensor], source: Path, grey: str = "skip") -> bool:
        """Takes the key names that timm reads; what belongs to the classifier is passed over."""
        try:
            found = self._read(state)
            # The same of nothing but NaN: what is finite then does not come from the file.
            marked = self._read({key: _nan(value) for key, value in state.items()})
        except Exception as error:  # timm's rules for other key names stumble over anything
            # torch names keys and shapes below a headline of its own.
            misfit = re.search(r"size mismatch for .*", str(error))
            why = misfit[0] if misfit else first_line(error)
            raise DataError(f"{source}: does not fit timm:{self.name} ({why})") from None
        missing = [
            key
            for key, value in marked.items()
            if value.is_floating_point() and not bool(value.isnan().any())
        ]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(
                f"{source}: has no {missing[0]}{more}; these are no weights of timm:{self.name}"
            )
        self._take(found, grey)
        return False

    def _read(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What timm makes of a file's tensors for an image of three channels."""
        overlay = {
            # An empty one would make timm look for its own weights.
            "state_dict": {"nothing": torch.empty(0), **state},
            "custom_load": False,
            # Other than the model's, so that a file may have any classifier, or none.
            "num_classes": -1,
            "classifier": package().get_pretrained_cfg(self.name).classifier or (),
        }
        net = build(self.name, self.traits, 3, pretrained=True, pretrained_cfg_overlay=overlay)
        return dict(net.state_dict())

    @torch.no_grad()
    def _take(self, state: Mapping[str, Tensor], grey: str) -> None:
        """Copies weights for three channels; ``grey`` says what becomes of the first ones."""
        for key, own in self.net.state_dict().items():
            if own.shape == state[key].shape:
                own.copy_(state[key])
            elif grey == "sum":
                own.copy_(state[key].sum(dim=1, keepdim=True))


def _drawn(name: str, traits: Traits, in_channels: int, seed: int) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return dict(build(name, traits, in_channels).state_dict())


def _nan(value: Tensor) -> Tensor:
    return torch.full_like(value, torch.nan) if value.is_floating_point() else value


def _nchw(features: Tensor) -> Tensor:
    return features.permute(0, 3, 1, 2)


def _nhwc(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1)
