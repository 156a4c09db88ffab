"""``auxseg export --format web``: a page that predicts in the browser, without a server."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from auxseg.assembly import answering, make_tasks
from auxseg.data.fits import Tile
from auxseg.errors import UsageError
from auxseg.export.export import PHOTO, Exported, check_tasks, export
from auxseg.export.formats import need_onnx
from auxseg.export.runtime import FACTORY, LICENCE, SCRIPT, VERSION, WASM, web_runtime
from auxseg.pages import PAGES
from auxseg.palette import class_colours
from auxseg.predict import open_exported
from auxseg.predict.exported import WEB_NETWORK
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import out_folder, write_text
from auxseg.tasks.segmentation import Segmentation

PAGE, LABELS, LICENCES = "index.html", "labels.json", "LICENCE-onnxruntime.txt"


def export_web(
    run: RunDirectory,
    out: Path,
    *,
    tasks: Sequence[str] = (),
    int8: bool = False,
    root: str | None = None,
    runtime: Path | None = None,
    say: Callable[[str], object] = str,
) -> Exported:
    """Writes the page with all that it needs inside, and beside it the network and its labels.

    The page is one file: a browser opens it from a disk, where pages may fetch no other files.

    Args:
        tasks, int8, root, say: see :func:`auxseg.export.export`.
        runtime: see :func:`auxseg.export.runtime.web_runtime`.

    Returns:
        what is said of the network in it; its path is that of the page.

    Raises:
        UsageError: the folder holds something else, or the run is none that a page can show.
        DataError: no run, one without weights, no runtime, or the folder cannot be written.
    """
    config, classes = run.read_config()
    if config.data.fit == Tile.NAME:
        raise UsageError("--format web: the run sees photos by tiles, which a page does not cut")
    names = tuple(tasks) or config.tasks.names[:1]
    if Segmentation.NAME not in names:
        raise UsageError("--format web: shows masks; add segmentation to --tasks")
    check_tasks(names, list(answering(make_tasks(config, classes))))
    need_onnx("--format web")
    with out_folder(out) as folder:
        parts = web_runtime(runtime)
        done = export(
            run.path, folder / WEB_NETWORK, tasks=names, input=PHOTO, int8=int8, root=root, say=say
        )
        about = open_exported(folder / WEB_NETWORK, torch.device("cpu")).metadata.content
        write_text(folder / LABELS, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        write_text(folder / LICENCES, LICENCE.format(version=VERSION))
        title = out.resolve().name
        write_text(folder / PAGE, page(title, about, (folder / WEB_NETWORK).read_bytes(), parts))
        size = (folder / PAGE).stat().st_size
    return replace(done, path=out / PAGE, size=size)


def page(title: str, about: dict[str, Any], model: bytes, runtime: dict[str, bytes]) -> str:
    """The page's HTML, everything in it.

    Args:
        title: shown at the top.
        about: the metadata of the network.
        model: the ONNX file.
        runtime: name → content of onnxruntime-web's files.
    """
    names = about["classes"]["mask"]
    colours = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in class_colours(len(names))]
    shown = {"classes": about["classes"], "colours": colours, "details": _details(about)}
    parts = {
        "title": html.escape(title),
        "style": _text("page.css"),
        # JSON has no tag that would end the script it lies in.
        "about": json.dumps(shown).replace("<", "\\u003c"),
        "wasm": _packed(runtime[WASM]),
        "factory": _packed(runtime[FACTORY]),
        "model": _packed(model),
        "runtime": _in_script(runtime[SCRIPT].decode("utf-8")),
        "masks": _in_script(_text("masks.js")),
        "script": _in_script(_text("alone.js")),
    }
    # In one pass, so that nothing inside a part is taken for a place.
    return re.sub(r"{{(\w+)}}", lambda place: parts[place[1]], _text("alone.html"))


def _details(about: dict[str, Any]) -> list[tuple[str, str]]:
    """What the page says of the network, in words."""
    said = [
        ("System", f"{about['preset']} of auxseg {about['auxseg']}, {about['encoder']}"),
        ("Size", f"photos become {about['image_size']} × {about['image_size']} pixels"),
        ("Licence of the weights that training started from", about["weights_licence"] or "–"),
        ("Runs by", f"onnxruntime-web {VERSION} (MIT licence, Microsoft Corporation)"),
    ]
    iou = about["validation"].get(f"{Segmentation.NAME}/iou")
    if "int8" in about:
        iou = about["int8"]["iou_int8"]
        said.insert(1, ("Numbers", f"8 bits; in 32 bits IoU {about['int8']['iou_fp32']:.3f}"))
    if isinstance(iou, float):
        said.insert(1, ("Average IoU on its validation photos", f"{iou:.3f}"))
    return said


def _text(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _in_script(code: str) -> str:
    """Code in which no string ends the element that it lies in."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
