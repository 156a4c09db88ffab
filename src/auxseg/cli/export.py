"""``auxseg export``: a run's network as one file."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxseg.config.command_line import verb_parser
from auxseg.errors import UsageError

#: The formats that are folders.
HUB, WEB = "hub", "web"


def export(arguments: Sequence[str]) -> int:
    """write a run's network as one file that runs without auxseg"""
    from auxseg.export import FORMATS
    from auxseg.export import export as write

    parser = verb_parser("export", export, "auxseg export runs/photos --out photos.onnx")
    parser.add_argument("run", help="a run directory")
    parser.add_argument(
        "--out",
        required=True,
        help="the file, NAME.onnx or NAME.pt2; the folder of --format hub or web",
    )
    parser.add_argument(
        "--format",
        default="onnx",
        help=f"{', '.join(FORMATS)} (a program of torch.export, NAME.pt2), hub (a folder with "
        "config.json, model.safetensors and a card, which auxseg.load takes) or web (a folder with "
        "a page that predicts in a browser, without a server)",
    )
    parser.add_argument(
        "--tasks",
        type=tuple[str, ...],
        default=(),
        help="the tasks to keep, such as segmentation,classification; by default the primary one. "
        "What only others need is left out",
    )
    parser.add_argument(
        "--input",
        help="what the file takes: photo (uint8, any size; resizing and the answers for the "
        "photo's own pixels are in the file) or picture (float32, already resized); by default "
        "photo, but for runs by tiles",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="quantise to 8 bits, calibrated on training images, and say what that costs on the "
        "validation images (onnx, web)",
    )
    parser.add_argument(
        "--root", needs="--int8", help="where the run's data lie now, if moved (--int8)"
    )
    parser.add_argument(
        "--runtime",
        metavar="FILE",
        help="web: onnxruntime-web as npm's registry has it (.tgz), where there is no network",
    )
    parsed = parser.parse(arguments)
    formats = (*FORMATS, HUB, WEB)
    if parsed.format not in formats:
        raise UsageError(
            f"--format: {parsed.format!r} is unknown; allowed are {', '.join(formats)}"
        )
    if parsed.format == HUB:
        return _to_hub(parsed)
    if parsed.format == WEB:
        return _to_web(parsed)
    if parsed.runtime:
        raise UsageError("--runtime: goes with --format web only")
    found = write(
        parsed.run,
        parsed.out,
        format=parsed.format,
        tasks=parsed.tasks,
        input=parsed.input,
        int8=parsed.int8,
        root=parsed.root,
        say=print,
    )
    print(_describe(found))
    print(f"next: auxseg predict {shlex.quote(str(found.path))} PHOTOS --out predictions")
    return 0


def _to_hub(parsed: argparse.Namespace) -> int:
    """The whole network, as it is."""
    from auxseg.export.hub import CARD, export_hub
    from auxseg.runs.directory import RunDirectory

    for name in ("tasks", "input", "int8", "runtime"):
        if getattr(parsed, name):
            raise UsageError(f"--{name}: has no effect with --format hub, which keeps all")
    out, size = export_hub(RunDirectory(parsed.run), Path(parsed.out))
    print(f"{out}: the whole network, {size / 1e6:.1f} MB")
    print(f"next: complete {out / CARD}, then share the folder")
    return 0


def _to_web(parsed: argparse.Namespace) -> int:
    """A page with the network in it."""
    from auxseg.export.export import PHOTO
    from auxseg.export.web import export_web
    from auxseg.runs.directory import RunDirectory

    if parsed.input not in (None, PHOTO):
        raise UsageError("--input: with --format web the network takes photos")
    runtime = None if parsed.runtime is None else Path(parsed.runtime).expanduser()
    found = export_web(
        RunDirectory(parsed.run),
        Path(parsed.out),
        tasks=parsed.tasks,
        int8=parsed.int8,
        root=parsed.root,
        runtime=runtime,
        say=print,
    )
    print(_describe(found))
    page = shlex.quote(str(found.path))
    print(f"next: open {page} in a browser; that one file is all that others need")
    return 0


def _describe(found: Any) -> str:
    kept, all_ = found.parameters
    lines = [
        f"{found.path}: {', '.join(found.tasks)}; {found.size / 1e6:.1f} MB",
        f"{kept:,} of the run's {all_:,} parameters, batch norms folded",
        str(found.agreement),
    ]
    if found.image_size is not None:
        size = f"{found.image_size}×{found.image_size}"
        lines.append(f"takes images of {size} only: its encoder cannot be traced for any size")
    if found.int8 is not None:
        lines.append(str(found.int8))
    return "\n".join(lines)
