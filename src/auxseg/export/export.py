"""``auxseg export``: a run's network, pruned, traced, compared with the run's, then published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxseg.build import make_views
from auxseg.errors import AuxsegError, UsageError
from auxseg.evaluation.measure import load_model
from auxseg.export.formats import FORMATS, need_onnx, trace
from auxseg.export.int8 import Int8, quantise
from auxseg.export.metadata import as_text, describe
from auxseg.export.network import ShippedNetwork
from auxseg.predict import open_exported
from auxseg.training.files import check_folder, replacing
from auxseg.training.run import RunDirectory
from auxseg.types import LabelledImages

__all__ = ["FORMATS", "Exported", "export"]

#: Largest difference that any output of a file may have from the run's own.
TOLERANCE = 1e-4

#: Endings by which files are recognised again.
ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        tasks: the tasks it holds.
        parameters: how many numbers its network has, and how many the run's has.
        size: of the file, in bytes.
        difference: the largest from any output of the run's network on the images compared; of
            the file in 32 bits, where it was then quantised.
        int8: what quantising cost; None where nothing was quantised.
    """

    path: Path
    tasks: tuple[str, ...]
    parameters: tuple[int, int]
    size: int
    difference: float
    int8: Int8 | None = None


def export(
    run_dir: str | Path,
    out: str | Path,
    *,
    format: str = "onnx",
    tasks: Sequence[str] = (),
    int8: bool = False,
    root: str | None = None,
) -> Exported:
    """Writes some tasks of a run's network as one file that runs without auxseg.

    Args:
        run_dir: the run, whose best weights are taken.
        out: the file, ``.onnx`` or ``.pt2``.
        format: onnx, or torch for a program of ``torch.export``.
        tasks: the tasks to keep; by default the run's primary one.
        int8: quantise to 8 bits (see :mod:`auxseg.export.int8`); ONNX only.
        root: for ``int8``, where the run's data lie now, if they moved since training.

    Raises:
        UsageError: an unknown format or task, a file name of another ending, a missing package.
        DataError: no run, or one without weights.
        AuxsegError: the file's outputs are not those of the run; nothing is written.
    """
    out, run = Path(out), RunDirectory(run_dir)
    config, classes = run.read_config()
    names = tuple(tasks) or config.tasks.names[:1]
    _check(out, format, names, config.tasks.names, int8)
    model, known = load_model(run, config, classes)
    views = make_views(config, known)
    network = ShippedNetwork(model, views, names)
    metadata = describe(run, config, classes, known, views, names)
    program = trace(network)

    def full(images: Tensor) -> dict[str, Tensor]:
        return model.forward_views(views(LabelledImages.without_labels(images), None), views.routes)

    assert config.data.image_size is not None
    with replacing(out) as temporary:
        temporary.write_bytes(FORMATS[format](program, as_text(metadata)))
        difference = largest_difference(temporary, ENDINGS[format], full, config.data.image_size)
        if not difference <= TOLERANCE:
            raise AuxsegError(
                f"{out}: not written, its outputs differ by {difference:.2g} from the run's; "
                f"at most {TOLERANCE:g} is allowed"
            )
        found = quantise(temporary, run, root, metadata) if int8 else None
        size = temporary.stat().st_size
    parameters = tuple(sum(one.numel() for one in net.parameters()) for net in (network, model))
    return Exported(out, names, parameters, size, difference, found)  # type: ignore[arg-type]


def _check(out: Path, format: str, names: Sequence[str], known: Sequence[str], int8: bool) -> None:
    """Raises :class:`UsageError` for what cannot be exported, before anything is computed."""
    if format not in FORMATS:
        raise UsageError(f"--format: {format!r} is unknown; allowed are {', '.join(FORMATS)}")
    for name in names:
        if name not in known:
            raise UsageError(f"--tasks: the run has no {name!r}; its tasks are {', '.join(known)}")
    if out.suffix != ENDINGS[format]:
        raise UsageError(f"--out: {out} has to end in {ENDINGS[format]} for --format {format}")
    if out.is_dir():
        raise UsageError(f"--out: {out} is a folder; it takes a file")
    if int8 and format != "onnx":
        raise UsageError("--int8: goes with --format onnx only")
    if int8 and "segmentation" not in names:
        raise UsageError("--int8: its loss is measured on segmentation; add that to --tasks")
    check_folder(out.parent)
    if format == "onnx":
        need_onnx()


@torch.inference_mode()
def largest_difference(
    path: Path, ending: str, full: Callable[[Tensor], dict[str, Tensor]], size: int
) -> float:
    """The largest difference of a file's outputs from the run's on random images.

    Two batches: two images of the run's size, and three of a size that no stride divides.
    """
    network: Any = open_exported(path, torch.device("cpu"), ending)
    generator = torch.Generator().manual_seed(0)
    differences = []
    for shape in ((2, 3, size, size), (3, 3, size + 5, size // 2 + 3)):
        images = torch.rand(*shape, generator=generator)
        expected = full(images)
        for name, output in network(images).tasks.items():
            differences.append(float((output - expected[name]).abs().max()))
    return max(differences)
