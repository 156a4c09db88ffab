"""``auxseg export``: a run's network, pruned, traced, compared with the run's, then published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from auxseg.assembly import answering, make_fit, make_tasks, make_views
from auxseg.data.fits import Fit
from auxseg.errors import UsageError
from auxseg.export.check import Agreement, agreement, require
from auxseg.export.formats import FORMATS, content, need_onnx
from auxseg.export.int8 import Int8, quantise
from auxseg.export.metadata import describe
from auxseg.export.network import ShippedNetwork, Traceable
from auxseg.export.photo import PhotoNetwork
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import check_folder, check_name, replacing
from auxseg.runs.network import load_model

__all__ = ["FORMATS", "Exported", "export"]

#: What a file takes.
PHOTO, PICTURE = "photo", "picture"

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
        agreement: how far the file, in 32 bits, is from the run.
        image_size: the only height and width that it takes; None for any.
        int8: what quantising cost; None where nothing was quantised.
    """

    path: Path
    tasks: tuple[str, ...]
    parameters: tuple[int, int]
    size: int
    agreement: Agreement
    image_size: int | None = None
    int8: Int8 | None = None


def export(
    run_dir: str | Path,
    out: str | Path,
    *,
    format: str = "onnx",
    tasks: Sequence[str] = (),
    input: str | None = None,
    int8: bool = False,
    root: str | None = None,
    say: Callable[[str], object] = str,
) -> Exported:
    """Writes some tasks of a run's network as one file that runs without auxseg.

    Args:
        run_dir: the run, whose best weights are taken.
        out: the file, ``.onnx`` or ``.pt2``.
        format: onnx, or torch for a program of ``torch.export``.
        tasks: the tasks to keep; by default the run's primary one.
        input: photo, uint8 and of any size, which the file resizes, answering for their own
            pixels; or picture, float32, at whose size the network works. By default photo, but
            for runs by tiles, which are cut outside.
        int8: quantise to 8 bits (see :mod:`auxseg.export.int8`); ONNX only.
        root: for ``int8``, where the run's data lie now, if they moved since training.
        say: takes a line for a user who waits.

    Raises:
        UsageError: an unknown format or task, a file name of another ending, a missing package.
        DataError: no run, or one without weights.
        AuxsegError: the file's outputs are not those of the run; nothing is written.
    """
    out, run = Path(out), RunDirectory(run_dir)
    config, classes = run.read_config()
    fit = make_fit(config)
    input = input or (PHOTO if fit.WHOLE else PICTURE)
    names = tuple(tasks) or config.tasks.names[:1]
    known = answering(make_tasks(config, classes))
    check_name(out)
    _check(out, format, names, list(known), int8)
    _check_input(input, fit)
    model, _ = load_model(run, config, classes)
    views = make_views(config, known)
    say("tracing the network, writing it and comparing it with the run …")
    shipped = partial(ShippedNetwork, model, views, names)
    networks: Iterator[Traceable] = (
        iter([PhotoNetwork(shipped(fit.size), fit)])
        if input == PHOTO
        else (shipped(size) for size in (None, fit.size))
    )
    about = partial(describe, run, config, classes, known, views, names)
    network, metadata, written = content(out, format, networks, about)
    with replacing(out) as temporary:
        temporary.write_bytes(written)
        agreed = agreement(temporary, ENDINGS[format], network, model, views, fit.size)
        require(agreed, out)
        found = quantise(temporary, run, root, metadata) if int8 else None
        size_of_file = temporary.stat().st_size
    parameters = tuple(sum(one.numel() for one in net.parameters()) for net in (network, model))
    return Exported(
        out,
        names,
        parameters,  # type: ignore[arg-type]
        size_of_file,
        agreed,
        None if isinstance(network, PhotoNetwork) else network.size,
        found,
    )


def check_tasks(names: Sequence[str], known: Sequence[str]) -> None:
    """Raises :class:`UsageError` for a task that the run has no output of."""
    for name in names:
        if name not in known:
            raise UsageError(
                f"--tasks: the run has no output {name!r}; its outputs are {', '.join(known)}"
            )


def _check_input(input: str, fit: Fit) -> None:
    if input not in (PHOTO, PICTURE):
        raise UsageError(f"--input: {input!r} is unknown; allowed are {PHOTO}, {PICTURE}")
    if input == PHOTO and not fit.WHOLE:
        raise UsageError(
            f"--input {PHOTO}: the run sees photos by tiles, which are cut outside the file; "
            f"use --input {PICTURE}"
        )


def _check(out: Path, format: str, names: Sequence[str], known: Sequence[str], int8: bool) -> None:
    """Raises :class:`UsageError` for what cannot be exported, before anything is computed."""
    if format not in FORMATS:
        raise UsageError(f"--format: {format!r} is unknown; allowed are {', '.join(FORMATS)}")
    check_tasks(names, known)
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
