"""Files of ``auxseg export``: what their metadata says, and how their networks run."""

from __future__ import annotations

import json
import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
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

#: Version of the metadata; a reader refuses a newer one. 1 knows stretched photos only, 1 and 2 no
#: files that take photos as they are.
FORMAT = 3
#: Where the metadata lie: a property of an ONNX file, an extra file of a ``.pt2``.
PROPERTY = "auxseg"
EXTRA_FILE = "auxseg.json"
#: The network's file in a folder of ``--format web``.
WEB_NETWORK = "model.onnx"


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
    def input(self) -> dict[str, Any]:
        """Name, type, layout, colours, range and sizes of the file's input."""
        return dict(self.content.get("input", {}))

    @property
    def resizes(self) -> bool:
        """Whether the file takes uint8 photos, (N, H, W, 3), and brings them to its own size."""
        return self.input.get("layout") == "NHWC"

    @property
    def any_size(self) -> bool:
        """Whether the network works at other sizes as well."""
        return not self.resizes and isinstance(self.input.get("sizes", ""), str)

    def given(self, images: Tensor) -> Tensor:
        """Pictures, float32 (N, 3, S, S) in [0, 1], as the file takes them."""
        if not self.resizes:
            return images
        return (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    @classmethod
    def parse(cls, text: str | None, path: Path) -> Metadata:
        """Reads the JSON block; raises :class:`DataError` where the file is not ours or newer."""
        if text is None:
            raise DataError(f"{path}: has no auxseg metadata; `auxseg export` makes such files")
        try:
            content = json.loads(text)
            if content["format"] > FORMAT:
                raise DataError(
                    f"{path}: was written by auxseg {content['auxseg']} in format "
                    f"{content['format']}, and this version reads up to {FORMAT}; update auxseg"
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


class ExportedNetwork(Network):
    """A file of ``auxseg export``.

    Attributes:
        metadata: what it says of itself.
    """

    metadata: Metadata

    @abstractmethod
    def __init__(self, path: Path, device: torch.device) -> None: ...

    def describe(self, metadata: Metadata) -> None:
        """Takes over what a file says of itself."""
        self.metadata = metadata
        self.preset, self.tasks = metadata.preset, metadata.tasks
        self.fit, self.any_size = metadata.fit, metadata.any_size

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        return Outputs(self.run(self.metadata.given(images), list(self.tasks)))

    @abstractmethod
    def run(self, given: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The file's own outputs, by name.

        Args:
            given: as the file takes it.
            names: the outputs wanted; all by default.
        """


class OnnxNetwork(ExportedNetwork):
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
        self.describe(Metadata.parse(properties.get(PROPERTY), path))

    def run(self, given: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        names = names or [output.name for output in self.session.get_outputs()]
        (taken,) = self.session.get_inputs()
        found: list[np.ndarray] = self.session.run(names, {taken.name: given.numpy()})
        return {name: torch.from_numpy(one) for name, one in zip(names, found, strict=True)}


class TorchNetwork(ExportedNetwork):
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
        self.describe(Metadata.parse(extra[EXTRA_FILE] or None, path))
        self.device = device
        if device.type != "cpu":
            program = move_to_device_pass(program, device)
        self.program = program.module()

    def run(self, given: Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        found = self.program(given.to(self.device))
        return {name: found[name] for name in names or found}


#: How files are read, by their ending.
ENDINGS: dict[str, type[ExportedNetwork]] = {".onnx": OnnxNetwork, ".pt2": TorchNetwork}


def open_exported(path: Path, device: torch.device, ending: str | None = None) -> ExportedNetwork:
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
