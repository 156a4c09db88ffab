"""Loads VGG-16's convolutions into the encoder, from files with torchvision's key names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from auxseg.errors import DataError
from auxseg.models.encoders.vgg16 import Encoder
from auxseg.models.layers import BLOCK_DEPTHS, ConvBNReLU

#: ``plain``: convolutions with bias; ``bn``: each followed by a batch norm.
Variant = Literal["plain", "bn"]

#: What becomes of a pre-trained first convolution where the input has one channel: ``skip`` leaves
#: it as drawn, as the paper does; ``sum`` adds its weights over RGB.
GREY = ("skip", "sum")


def convolution_keys(variant: Variant) -> list[int]:
    """torchvision's numbers of the 13 convolutions in ``features.N``.

    >>> convolution_keys("plain")
    [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    """
    per_layer = 3 if variant == "bn" else 2
    keys, position = [], 0
    for depth in BLOCK_DEPTHS:
        keys += [position + per_layer * layer for layer in range(depth)]
        position += per_layer * depth + 1
    return keys


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads a torch (``.pth``, ``.pt``) or safetensors file of tensors, as float32.

    Raises:
        DataError: the file is missing or holds no tensors.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such weights file (--weights takes imagenet, none or a file)")
    try:
        state: Any
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors raise classes of no common base
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not a weights file ({reason})") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise DataError(
            f"{path}: expected a dictionary of tensors with keys such as features.0.weight"
        )
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }


def load_encoder(encoder: Encoder, path: Path, grey: str = "skip") -> Variant:
    """Copies the 13 convolutions (and, in the BN variant, their batch norms) from a file.

    Of the plain variant the biases are placed in the batch norms, whose scale still is that of a
    fresh network until :func:`calibrate` has run.

    Args:
        grey: one of :data:`GREY`, what to do with the first convolution of an encoder whose input
            has one channel.

    Returns:
        which variant the file held.

    Raises:
        DataError: a key is missing or of another shape; names the file and the key.
    """
    state = read_state(path)
    variant: Variant = "bn" if "features.1.running_mean" in state else "plain"
    pairs = list(zip(convolution_keys(variant), encoder.layers(), strict=True))
    if _parts(pairs[0][1])[0].in_channels == 1:
        if grey == "skip":
            pairs = pairs[1:]
        elif "features.0.weight" in state:
            # What the three channels compute of a picture with R = G = B, but for a constant per
            # filter and for the channels' slightly different normalisation.
            state["features.0.weight"] = state["features.0.weight"].sum(dim=1, keepdim=True)
    with torch.no_grad():
        for key, layer in pairs:
            convolution, norm = _parts(layer)
            _copy(convolution.weight, state, f"features.{key}.weight", path)
            bias = torch.zeros(convolution.out_channels)
            if f"features.{key}.bias" in state:
                _copy(bias, state, f"features.{key}.bias", path)
            if variant == "bn":
                for name in ("weight", "bias", "running_mean", "running_var"):
                    _copy(getattr(norm, name), state, f"features.{key + 1}.{name}", path)
                norm.running_mean.sub_(bias)  # type: ignore[union-attr]
            else:
                norm.bias.copy_(bias)
    return variant


@torch.no_grad()
def calibrate(encoder: Encoder, batches: Iterable[Tensor]) -> None:
    """Sets every batch norm so that, at step 0, the encoder computes VGG-16's own features.

    With m and v the mean and variance of a convolution's output over the batches, the norm's
    running statistics become m and v, its weight sqrt(v + eps) and its bias b + m, where b is
    VGG-16's bias: together the norm adds b, and does nothing else, in evaluation exactly and in
    training up to the difference between one batch and all of them.

    Args:
        batches: prepared images (N, in_channels, H, W), sides multiples of 32; few suffice.
    """
    features = list(batches)
    for number, block in enumerate(encoder.blocks):
        if number:
            features = [nn.functional.max_pool2d(batch, 2) for batch in features]
        for layer in block.children():
            convolution, norm = _parts(layer)
            outputs = [convolution(batch) for batch in features]
            bias = norm.bias.clone()
            mean = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
            square = torch.stack([output.square().mean((0, 2, 3)) for output in outputs]).mean(0)
            variance = (square - mean.square()).clamp_min(0)
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(bias + mean)
            features = [(output + bias.view(1, -1, 1, 1)).relu_() for output in outputs]


def save_encoder(encoder: Encoder, path: Path, metadata: dict[str, str]) -> None:
    """Writes an encoder as safetensors, the BN variant, which :func:`load_encoder` reads."""
    state = {}
    for key, layer in zip(convolution_keys("bn"), encoder.layers(), strict=True):
        convolution, norm = _parts(layer)
        state[f"features.{key}.weight"] = convolution.weight
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"features.{key + 1}.{name}"] = getattr(norm, name)
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in state.items()}, path, metadata
    )


def _parts(layer: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    assert isinstance(layer, ConvBNReLU)
    convolution, norm = layer[0], layer[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return convolution, norm


def _copy(parameter: Tensor, state: dict[str, Tensor], key: str, path: Path) -> None:
    if key not in state:
        raise DataError(f"{path}: has no {key}; expected VGG-16 with torchvision's key names")
    if state[key].shape != parameter.shape:
        raise DataError(
            f"{path}: {key} has shape {tuple(state[key].shape)}, the network needs "
            f"{tuple(parameter.shape)}; use the width the weights were made for, or --weights none"
        )
    parameter.copy_(state[key])
