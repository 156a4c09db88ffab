"""Reads files of weights, published or of one's own."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from auxseg.errors import DataError


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
    except pickle.UnpicklingError:
        raise DataError(
            f"{path}: not a weights file, or it holds more than tensors, of which nothing was run; "
            "save the state_dict() of a network, as safetensors or with torch.save"
        ) from None
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


def write_state(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes tensors as safetensors."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    # As bytes, and not by save_file: a full disk then is the error that it always is.
    path.write_bytes(save(tensors, metadata))


def copy_into(parameter: Tensor, state: Mapping[str, Tensor], key: str, source: Path) -> None:
    """Copies one tensor of a file, in place.

    Raises:
        DataError: the key is missing, or of another shape than ``parameter``.
    """
    if key not in state:
        raise DataError(f"{source}: has no {key}; these are no weights of this encoder")
    if state[key].shape != parameter.shape:
        raise DataError(
            f"{source}: {key} has shape {tuple(state[key].shape)}, the network needs "
            f"{tuple(parameter.shape)}; use the width the weights were made for, or --weights none"
        )
    with torch.no_grad():
        parameter.copy_(state[key])
