"""Files of a run's weights: safetensors, with a checksum of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from auxseg.errors import DataError
from auxseg.runs.files import replacing

#: The entry of a file's metadata that holds :func:`checksum`.
_KEY = "sha256"


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_weights(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes weights, whole or not at all.

    Args:
        metadata: what else the file is to say of them.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    # As bytes, and not by save_file: a full disk then is the error that it always is.
    content = save(tensors, {**(metadata or {}), _KEY: checksum(tensors)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads what :func:`write_weights` wrote, or wrote before there were checksums.

    Raises:
        DataError: the file is damaged.
    """
    expected = read_metadata(path).get(_KEY)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if expected is not None and checksum(tensors) != expected:
        raise _damaged(path)
    return tensors


def read_metadata(path: Path) -> dict[str, str]:
    """What the file says of its weights; raises :class:`DataError` where it is damaged."""
    try:
        with safe_open(path, framework="pt") as stream:
            return dict(stream.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: is damaged; train again with another --out")
