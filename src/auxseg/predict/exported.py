"""Files of ``auxseg export``: what their metadata says, and how their networks run."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auxseg.config.construct import construct
from auxseg.data.fits import FITS, Fit, Stretch
from auxseg.errors import AuxsegError, DataError, UsageError
from auxseg.predict.archive import check_archive
from auxseg.predict.network import Network, Outputs
from auxseg.runs.files import file_checksum
from auxseg.tasks import TASKS, Task
from auxseg.types import ClassNames

#: Version of the metadata; a reader refuses a newer one. Version 1 knows stretched photos only, and
#: still describes these.
FORMAT = 2
#: Where the metadata lie: a property of an ONNX file, an extra file of a ``.pt2``.
PROPERTY = "auxseg"
EXTRA_FILE = "auxseg.json"


@dataclass(frozen=True)
class Metadata:
    """What a file says of itself.

    Attributes:
        preset: the system that was trained.
        tasks: the tasks it holds, ready to decode its outputs.
        fit: how photos become the network's pictures.
        content: all of it, as ``docs/export.md`` lists it.
    """

    preset: str
    tasks: dict[str, Task]
    fit: Fit
    content: dict[str, Any]

    @property
    def any_size(self) -> bool:
        """Whether the file takes pictures of other sizes as well."""
        return isinstance(self.content.get("input", {}).get("sizes", ""), str)

    @classmethod
    def parse(cls, text: str | None, path: Path) -> Metadata:
        """Reads the JSON block; raises :class:`DataError` where the file is not ours or newer."""
        if text is None:
            raise DataError(f"{path}: has no auxseg metadata; `auxseg export` makes such files")
        try:
            content = json.loads(text)
            if content["format"] > FORMAT:
                raise DataError(
                    f"{path}: was written by auxseg {content['auxseg']}, which this version "
                    "cannot read; update auxseg"
                )
            classes = ClassNames(*(tuple(content["classes"][kind]) for kind in ("mask", "label")))
            tasks = {
                name: construct(TASKS[name], name, task["options"], classes=classes)
                for name, task in content["tasks"].items()
            }
            fit = FITS[content.get("fit", Stretch.NAME)]
            scale = float(content.get("scale", 1.0))
            return cls(content["preset"], tasks, fit(int(content["image_size"]), scale), content)
        except DataError:
            raise
        except (AuxsegError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: its auxseg metadata are damaged ({error})") from None


class OnnxNetwork(Network):
    """An ``.onnx`` file through onnxruntime.

    Raises:
        DataError: no ONNX file, or none of ours.
        UsageError: onnxruntime is not installed.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UsageError(f"{path}: needs onnxruntime: pip install auxseg[export]") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # what it optimises away is no news to a user
        wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
        known = onnxruntime.get_available_providers()
        providers = [name for name in (*wanted, "CPUExecutionProvider") if name in known]
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # its classes share no base but this
            raise _damaged(path, "an ONNX file", error) from None
        properties = self.session.get_modelmeta().custom_metadata_map
        self.metadata = Metadata.parse(properties.get(PROPERTY), path)
        self.preset, self.tasks = self.metadata.preset, self.metadata.tasks
        self.fit, self.any_size = self.metadata.fit, self.metadata.any_size

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        names = list(self.tasks)
        found: list[np.ndarray] = self.session.run(names, {"image": images.numpy()})
        return Outputs(
            {name: torch.from_numpy(one) for name, one in zip(names, found, strict=True)}
        )


class TorchNetwork(Network):
    """A ``.pt2`` file: a program of ``torch.export``.

    Raises:
        DataError: no such program, or none of ours.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        from torch.export.passes import move_to_device_pass

        check_archive(path)
        extra = {EXTRA_FILE: ""}
        try:
            with path.open("rb") as stream, warnings.catch_warnings(), _without_traces():
                # Of torch 2.11's own reader.
                warnings.filterwarnings("ignore", message="The given buffer is not writable")
                program = torch.export.load(stream, extra_files=extra)
        except Exception as error:  # a damaged archive raises nearly anything
            raise _damaged(path, "a program of torch.export", error) from None
        self.metadata = Metadata.parse(extra[EXTRA_FILE] or None, path)
        self.preset, self.tasks = self.metadata.preset, self.metadata.tasks
        self.fit, self.any_size = self.metadata.fit, self.metadata.any_size
        self.device = device
        if device.type != "cpu":
            program = move_to_device_pass(program, device)
        self.program = program.module()

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        return Outputs(self.program(images.to(self.device)))


#: How files are read, by their ending.
ENDINGS: dict[str, type[OnnxNetwork | TorchNetwork]] = {".onnx": OnnxNetwork, ".pt2": TorchNetwork}


def open_exported(path: Path, device: torch.device, ending: str | None = None) -> Network:
    """Opens a file of ``auxseg export``, which its ending tells, unless it is given.

    Raises:
        DataError: the file is damaged, or none of ours.
        UsageError: a package is missing.
    """
    ending = ending or path.suffix
    if ending not in ENDINGS:
        raise DataError(
            f"{path}: is neither a run directory nor a file of `auxseg export` "
            f"({', '.join(ENDINGS)})"
        )
    network = ENDINGS[ending](path, device)
    network.checksum = file_checksum(path)
    return network


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keeps torch.export, since 2.14, from logging a trace of what it also raises."""
    logger = logging.getLogger("torch.export")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _damaged(path: Path, kind: str, error: Exception) -> DataError:
    reason = str(error).strip().partition("\n")[0]
    return DataError(f"{path}: is damaged, or not {kind} ({reason or type(error).__name__})")
