"""VGG-16's weights: published key names, calibration of batch norms, files of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from auxseg.models.layers import ConvBNReLU
from auxseg.models.weights import copy_into

#: ``plain``: convolutions with bias; ``bn``: each followed by a batch norm.
Variant = Literal["plain", "bn"]


def convolution_keys(variant: Variant, depths: Sequence[int] = (2, 2, 3, 3, 3)) -> list[int]:
    """torchvision's numbers of the 13 convolutions in ``features.N``.

    >>> convolution_keys("plain")
    [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    """
    per_layer = 3 if variant == "bn" else 2
    keys, position = [], 0
    for depth in depths:
        keys += [position + per_layer * layer for layer in range(depth)]
        position += per_layer * depth + 1
    return keys


def variant_of(state: Mapping[str, Tensor]) -> Variant:
    """Which of the two a file holds."""
    return "bn" if "features.1.running_mean" in state else "plain"


@torch.no_grad()
def load(
    layers: Sequence[ConvBNReLU], state: Mapping[str, Tensor], source: Path, grey: str
) -> bool:
    """Copies the 13 convolutions (and, in the BN variant, their batch norms).

    Of the plain variant the biases are placed in the batch norms, whose scale still is that of a
    fresh network until :func:`calibrate` has run.

    Args:
        grey: what to do with the first convolution of an encoder whose input has one channel: one
            of :data:`auxseg.models.encoders.base.GREY`.

    Returns:
        whether :func:`calibrate` has to run: for the plain variant.

    Raises:
        DataError: a key is missing or of another shape; names the file and the key.
    """
    variant = variant_of(state)
    pairs = list(zip(convolution_keys(variant), layers, strict=True))
    if _parts(layers[0])[0].in_channels == 1:
        if grey == "skip":
            pairs = pairs[1:]
        elif "features.0.weight" in state:
            # What the three channels compute of a picture with R = G = B, but for a constant per
            # filter and for the channels' slightly different normalisation.
            first = state["features.0.weight"].sum(dim=1, keepdim=True)
            state = {**state, "features.0.weight": first}
    for key, layer in pairs:
        convolution, norm = _parts(layer)
        copy_into(convolution.weight, state, f"features.{key}.weight", source)
        bias = torch.zeros(convolution.out_channels)
        if f"features.{key}.bias" in state:
            copy_into(bias, state, f"features.{key}.bias", source)
        if variant == "bn":
            for name in ("weight", "bias", "running_mean", "running_var"):
                copy_into(getattr(norm, name), state, f"features.{key + 1}.{name}", source)
            assert norm.running_mean is not None
            norm.running_mean.sub_(bias)
        else:
            norm.bias.copy_(bias)
    return variant == "plain"


@torch.no_grad()
def calibrate(blocks: Iterable[nn.Module], batches: Iterable[Tensor]) -> None:
    """Sets every batch norm so that, at step 0, the encoder computes VGG-16's own features.

    With m and v the mean and variance of a convolution's output over the batches, the norm's
    running statistics become m and v, its weight sqrt(v + eps) and its bias b + m, where b is
    VGG-16's bias: together the norm adds b, and does nothing else, in evaluation exactly and in
    training up to the difference between one batch and all of them.

    Args:
        blocks: the encoder's five blocks of layers.
        batches: prepared images (N, in_channels, H, W), sides multiples of 32; few suffice.
    """
    features = list(batches)
    for number, block in enumerate(blocks):
        if number:
            features = [nn.functional.max_pool2d(batch, 2) for batch in features]
        for layer in block.children():
            convolution, norm = _parts(layer)
            outputs = [convolution(batch) for batch in features]
            bias = norm.bias.clone()
            mean = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
            square = torch.stack([output.square().mean((0, 2, 3)) for output in outputs]).mean(0)
            variance = (square - mean.square()).clamp_min(0)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(bias + mean)
            features = [(output + bias.view(1, -1, 1, 1)).relu_() for output in outputs]


def named(layers: Iterable[ConvBNReLU]) -> dict[str, Tensor]:
    """The BN variant's keys → tensors of these layers, which :func:`load` reads."""
    state = {}
    for key, layer in zip(convolution_keys("bn"), layers, strict=True):
        convolution, norm = _parts(layer)
        state[f"features.{key}.weight"] = convolution.weight.detach()
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"features.{key + 1}.{name}"] = getattr(norm, name).detach()
    return state


def _parts(layer: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    assert isinstance(layer, ConvBNReLU)
    convolution, norm = layer[0], layer[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return convolution, norm
