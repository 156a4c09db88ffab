"""From a network to a file's bytes: ONNX, or a program of ``torch.export``."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from auxseg.errors import AuxsegError, UsageError, first_line
from auxseg.export.metadata import as_text
from auxseg.export.network import Traceable
from auxseg.predict.exported import EXTRA_FILE, PROPERTY

Network = TypeVar("Network", bound=Traceable)

#: Input → the names of its sizes that may be free, as an ONNX file shows them.
AXES = {
    "image": {0: "batch", 2: "height", 3: "width"},
    "photo": {0: "batch", 1: "height", 2: "width", 3: "channels"},
}
#: Photos are grey or in colours, with a channel of transparency or without.
CHANNELS = {"min": 1, "max": 4}


def trace(network: Traceable) -> ExportedProgram:
    """The network as a graph whose free sizes stay free."""
    names = {axis: AXES[network.INPUT][axis] for axis in network.free}
    sizes = {
        axis: Dim(name, **(CHANNELS if name == "channels" else {"min": 1}))
        for axis, name in names.items()
    }
    with torch.no_grad(), quiet():
        program = torch.export.export(
            network, (network.example(),), dynamic_shapes={network.INPUT: sizes}
        )
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # it names the folders of this machine
    return program


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
    """An ``onnx.ModelProto`` with the metadata as its only property: exporters note where each node
    comes from, in folders of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = PROPERTY, metadata
    return model


def _named_axes(model: Any) -> Any:
    """Calls the free sizes batch, height and width, where the tracer calls them s40, s73, s6."""
    (given,) = model.graph.input
    shape = given.type.tensor_type.shape
    words = {
        shape.dim[axis].dim_param: name
        for axis, name in AXES[given.name].items()
        if shape.dim[axis].dim_param
    }

    def rename(found: re.Match[str]) -> str:
        return words.get(found[0], found[0])

    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = re.sub(r"\w+", rename, size.dim_param)
    return model


def need_onnx(wanted: str = "--format onnx") -> None:
    """Raises :class:`UsageError` unless everything that writes and checks ONNX is installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{wanted}: needs {error.name}: pip install auxseg[export]") from None


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
    networks: Iterable[Network],
    about: Callable[[Network], dict[str, Any]],
) -> tuple[Network, dict[str, Any], bytes]:
    """The first of the networks that the format has words for, what is said of it, and the file.

    Encoders of other packages may branch on sizes, which no graph of any size can.

    Raises:
        AuxsegError: it has words for none.
    """
    why = ""
    for network in networks:
        metadata = about(network)
        try:
            return network, metadata, FORMATS[format](trace(network), as_text(metadata))
        except Exception as error:  # tracers and exporters raise classes of no common base
            why = first_line(_cause(error))
    raise AuxsegError(f"{out}: not written, --format {format} cannot express this network ({why})")


def _cause(error: BaseException) -> BaseException:
    """What an exporter stumbled over: its own errors explain how to report them."""
    return error if error.__cause__ is None else _cause(error.__cause__)
