"""Looks into a ``.pt2`` file before torch reads it: torch would run code that is planted in one."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import torch

from auxseg.errors import DataError

#: What a program of ``torch.export`` holds that auxseg wrote: text, and tensors as raw bytes.
_PLAIN = (
    r"models/model\.json",
    r"data/(weights|constants)/model_(weights|constants)_config\.json",
    r"data/weights/weight_\d+",
    r"data/constants/tensor_\d+",
    r"extra/[\w.-]+",
    r"archive_format|archive_version|byteorder|version|\.data/\w+|\.format_version|\.storage_alignment",
)
_SAMPLE = "data/sample_inputs/model.pt"


def check_archive(path: Path) -> None:
    """Refuses a file of which torch would unpickle something.

    torch's reader (2.14) loads example inputs, and weights and constants that the file marks so,
    with ``weights_only=False`` where it has to. auxseg writes none that need it: what is not on the
    list above, or cannot be read without executing code, is refused.

    Raises:
        DataError: it is no such archive, or holds something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                _check_entry(archive, name, path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: is damaged, or not a program of torch.export ({error})") from None


def _check_entry(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    inner = name.partition("/")[2] or name  # the first folder bears the archive's own name
    if inner == _SAMPLE:
        try:
            torch.load(io.BytesIO(archive.read(name)), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError):
            raise _refused(path, name) from None
    elif not re.fullmatch("|".join(_PLAIN), inner):
        raise _refused(path, name)
    elif inner.endswith("_config.json"):
        content = json.loads(archive.read(name))
        if any(entry.get("use_pickle", True) for entry in content["config"].values()):
            raise _refused(path, name)


def _refused(path: Path, name: str) -> DataError:
    return DataError(
        f"{path}: holds {name}, which could run code when it is read; auxseg export writes no such "
        "files, and nothing of it was run"
    )
