"""From a network to a file's bytes: ONNX, or a program of ``torch.export``."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from auxseg.errors import AuxsegError, UsageError, first_line
from auxseg.export.metadata import as_text
from auxseg.export.network import ShippedNetwork
from auxseg.predict.exported import EXTRA_FILE, PROPERTY

#: Names of the input's free sizes, as an ONNX file shows them.
AXES = {0: "batch", 2: "height", 3: "width"}


def trace(network: nn.Module, size: int | None = None) -> ExportedProgram:
    """The network as a graph that takes (N, 3, H, W) of any N, H and W.

    Args:
        size: the only H and W that it is to take; None for any.
    """
    free = AXES if size is None else {0: AXES[0]}
    sizes = {axis: Dim(name, min=1) for axis, name in free.items()}
    # No free size here may be 0 or 1, or equal another: the tracer would take that for the rule.
    example = torch.rand(2, 3, 70, 90) if size is None else torch.rand(2, 3, size, size)
    with torch.no_grad(), quiet():
        return torch.export.export(network, (example,), dynamic_shapes={"image": sizes})


def torch_bytes(program: ExportedProgram, metadata: str) -> bytes:
    """A ``.pt2`` archive, for ``torch.export.load``."""
    stream = io.BytesIO()
    with quiet():
        torch.export.save(program, stream, extra_files={EXTRA_FILE: metadata})
    return stream.getvalue()


def onnx_bytes(program: ExportedProgram, metadata: str) -> bytes:
    """An ONNX model; outputs are named by their keys in what the network returns.

    Raises:
        UsageError: onnx or onnxscript is not installed.
    """
    need_onnx()
    names = list(program.call_spec.out_spec.context)
    with torch.no_grad(), quiet():
        exported = torch.onnx.export(program, dynamo=True, output_names=names, verbose=False)
    assert exported is not None
    found: bytes = with_metadata(_named_axes(exported.model_proto), metadata).SerializeToString()
    return found


def with_metadata(model: Any, metadata: str) -> Any:
    """An ``onnx.ModelProto`` with the metadata as a property, in place of others."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = PROPERTY, metadata
    return model


def _named_axes(model: Any) -> Any:
    """Calls the free sizes batch, height and width, where the tracer calls them s40, s73, s6."""
    shape = model.graph.input[0].type.tensor_type.shape
    words = {
        shape.dim[axis].dim_param: name for axis, name in AXES.items() if shape.dim[axis].dim_param
    }

    def rename(found: re.Match[str]) -> str:
        return words.get(found[0], found[0])

    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = re.sub(r"\w+", rename, size.dim_param)
    return model


def need_onnx() -> None:
    """Raises :class:`UsageError` unless everything that writes and checks ONNX is installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--format onnx: needs {error.name}: pip install auxseg[export]") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps to themselves what the exporters log and print about their own workings."""
    names = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir", "root")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        # A graph that cannot be traced is printed whole.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS: dict[str, Callable[[ExportedProgram, str], bytes]] = {
    "onnx": onnx_bytes,
    "torch": torch_bytes,
}


def content(
    out: Path,
    format: str,
    make: Callable[[int | None], ShippedNetwork],
    about: Callable[[int | None], dict[str, Any]],
    size: int,
) -> tuple[ShippedNetwork, dict[str, Any], bytes]:
    """What is written, what is said of it, and the file: for any size, else for the run's alone.

    Encoders of other packages may branch on sizes, which no graph of any size can.

    Raises:
        AuxsegError: the format has no words for what the network does.
    """
    why = ""
    for only in (None, size):
        network, metadata = make(only), about(only)
        try:
            return network, metadata, FORMATS[format](trace(network, only), as_text(metadata))
        except Exception as error:  # tracers and exporters raise classes of no common base
            why = first_line(_cause(error))
    raise AuxsegError(f"{out}: not written, --format {format} cannot express this network ({why})")


def _cause(error: BaseException) -> BaseException:
    """What an exporter stumbled over: its own errors explain how to report them."""
    return error if error.__cause__ is None else _cause(error.__cause__)
