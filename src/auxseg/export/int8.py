"""ONNX in 8 bits: static quantisation by onnxruntime, and what it costs in IoU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from auxseg import assembly
from auxseg.data.keys import Key
from auxseg.errors import DataError
from auxseg.export.formats import quiet, with_metadata
from auxseg.export.metadata import as_text
from auxseg.predict.exported import OnnxNetwork
from auxseg.progress import tracked
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task
from auxseg.types import Batch

#: Training images that ranges of activations are taken from.
CALIBRATION_IMAGES = 64
CALIBRATION_BATCH = 8

#: A loss of IoU that needs no second try.
ACCEPTABLE = 0.01


@dataclass(frozen=True)
class Int8:
    """What 8 bits cost.

    Attributes:
        quantised: what is in 8 bits.
        images: validation images with a mask, which were measured on, as they are: without noise.
        iou_fp32, iou_int8: segmentation IoU of the file before and after.
        bytes_fp32, bytes_int8: the file's size.
        calibration_images: training images that the ranges came from.
    """

    quantised: str
    images: int
    iou_fp32: float
    iou_int8: float
    bytes_fp32: int
    bytes_int8: int
    calibration_images: int

    @property
    def loss(self) -> float:
        """IoU lost; negative where int8 is better."""
        return self.iou_fp32 - self.iou_int8

    def __str__(self) -> str:
        return (
            f"int8 ({self.quantised}): segmentation IoU {self.iou_int8:.4f} against "
            f"{self.iou_fp32:.4f} in fp32, loss {self.loss:+.4f}, on {self.images} validation "
            f"images; {self.bytes_fp32 / 1e6:.1f} → {self.bytes_int8 / 1e6:.1f} MB"
        )


def quantise(path: Path, run: RunDirectory, root: str | None, metadata: dict[str, Any]) -> Int8:
    """Replaces an ONNX file by one in 8 bits; adds what that cost to its metadata.

    Every convolution is tried first. Where that loses more than :data:`ACCEPTABLE`, the first
    convolution and the heads stay in 32 bits, which are a small part of the work; the better of
    the two files is kept.

    Raises:
        DataError, UsageError: the run's data cannot be read, or it has no validation images.
    """
    import onnx

    config, classes = run.read_config()
    data = open_run_data(run, root)
    task = assembly.make_tasks(config, classes)["segmentation"]
    # A loader for this task alone: its view is the photo as it is, which is what the file takes.
    loader = assembly.make_eval_loader(config, data, {"segmentation": task}, "val")
    images = _calibration_images(data)
    inputs = _inputs(path, images)
    (before, masked), size = measure(path, task, loader), path.stat().st_size
    results: list[tuple[Int8, bytes]] = []
    for what, excluded in _choices(path):
        content = _quantised(path, inputs, excluded)
        with tempfile.TemporaryDirectory() as folder:
            (file := Path(folder, "int8.onnx")).write_bytes(content)
            after, _ = measure(file, task, loader)
        cost = Int8(what, masked, before, after, size, len(content), len(images))
        results.append((cost, content))
        if cost.loss <= ACCEPTABLE:
            break
    found, content = min(results, key=lambda result: result[0].loss)
    model = onnx.load_model_from_string(content)
    text = as_text({**metadata, "int8": {**asdict(found), "loss": found.loss}})
    path.write_bytes(with_metadata(model, text).SerializeToString())
    return found


def _choices(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What to quantise, the most first: its description, and the nodes to leave out."""
    import onnx

    nodes = list(onnx.load(path).graph.node)
    yield "all convolutions", []
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    heads = [node.name for node in nodes if ".heads." in _scope(node)]
    yield "all convolutions but the first and the heads", [*convolutions[:1], *heads]


def _scope(node: Any) -> str:
    """Where in the network a node comes from: the names of its weights."""
    return " ".join(f".{name}" for name in node.input)


def _calibration_images(data: assembly.Data) -> Tensor:
    """float32 (n, 3, S, S) in [0, 1], spread over the training images, which may be sorted."""
    count = min(CALIBRATION_IMAGES, len(data.split.train))
    positions = np.linspace(0, len(data.split.train) - 1, count).astype(int)
    keys = [Key(0, data.split.train[position]) for position in positions]
    return data.reader.__getitems__(keys).image


def _inputs(path: Path, images: Tensor) -> dict[str, np.ndarray]:
    """The images as the file takes them, by the name of its input."""
    network = OnnxNetwork(path, torch.device("cpu"))
    (given,) = network.session.get_inputs()
    return {given.name: network.metadata.given(images).numpy()}


def _quantised(path: Path, inputs: dict[str, np.ndarray], excluded: Sequence[str]) -> bytes:
    """The file in 8 bits: QDQ, weights by channel."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    ((name, images),) = inputs.items()

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            starts = range(0, len(images), CALIBRATION_BATCH)
            self.batches = iter([images[start : start + CALIBRATION_BATCH] for start in starts])

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch}

    with tempfile.TemporaryDirectory() as folder, quiet():
        file = Path(folder, "int8.onnx")
        quantize_static(
            str(path),
            str(file),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Without VNNI a processor adds two products in 16 bits, which 7-bit weights fit.
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=list(excluded),
        )
        return file.read_bytes()


@torch.inference_mode()
def measure(path: Path, task: Task, loader: DataLoader[Any]) -> tuple[float, int]:
    """Segmentation IoU of an ONNX file over a loader of pictures as they are; how many have a mask.

    Raises:
        DataError: none has.
    """
    network, metrics = OnnxNetwork(path, torch.device("cpu")), task.metrics()
    masked = 0
    for batch in tracked(loader, f"measuring {path.name}", len(loader)):
        assert isinstance(batch, Batch)
        output = network(batch.view_of(task.NAME)).tasks[task.NAME]
        metrics.update(output, batch.targets[task.NAME])
        masked += batch.labelled[task.NAME]
    value = metrics.compute()["iou"]
    if not isinstance(value, float):
        raise DataError("--int8: no validation image has a mask, so its loss cannot be measured")
    return value, masked
