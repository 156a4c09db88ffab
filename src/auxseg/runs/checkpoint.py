"""The last checkpoint of a run: written whole, checked before it is used, and never executed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from auxseg.errors import DataError
from auxseg.runs.files import replacing


@dataclass(frozen=True)
class Position:
    """Where a run goes on.

    Attributes:
        epoch: how many epochs are complete.
        batches: how many batches of the next one are done.
    """

    epoch: int = 0
    batches: int = 0


def write_checkpoint(path: Path, checkpoint: Mapping[str, Any], before: Path) -> None:
    """Writes a checkpoint; the one that was there becomes ``before``.

    Killed at any moment, at least one of the two is whole.
    """
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if path.is_file():
            os.replace(path, before)


def is_whole(path: Path) -> bool:
    """Whether every part of the file has the checksum that was written with it.

    The file is a ZIP archive, which has one (CRC-32) for each of its entries.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return False


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint's tensors, numbers and names, on the CPU.

    The file is a pickle, of which torch's restricted reader executes nothing.

    Raises:
        DataError: it holds something else, as no checkpoint of auxseg does, or cannot be read.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: is no checkpoint of auxseg, and nothing of it was run "
            f"({type(error).__name__}); delete it to train this run from scratch"
        ) from None
    if not isinstance(content, dict) or "loops" not in content:
        raise DataError(f"{path}: is no checkpoint of auxseg; delete it to train from scratch")
    return content


def position(checkpoint: Mapping[str, Any]) -> Position:
    """Where training goes on from a checkpoint, by Lightning's counts."""
    loop = checkpoint["loops"]["fit_loop"]
    epochs = loop["epoch_progress"]["current"]
    batches = loop["epoch_loop.batch_progress"]["current"]["processed"]
    within = epochs["started"] > epochs["processed"]
    return Position(epochs["processed"], batches if within else 0)
