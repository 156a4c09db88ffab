"""What an exported file says of itself, so that it can be used without the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from auxseg.config import Config
from auxseg.data.fits import Letterbox, Stretch, Tile
from auxseg.data.padding import PADDING
from auxseg.export.answers import ANSWERS
from auxseg.export.network import Traceable
from auxseg.export.photo import PhotoNetwork
from auxseg.predict.exported import FORMAT
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task, Views
from auxseg.types import ClassNames

#: What is to be done with a photo before the network.
FITTING = {
    Stretch.NAME: "stretch it to image_size × image_size (area average where it shrinks, else "
    "bilinear)",
    Letterbox.NAME: "bring its longer side to image_size (area average where it shrinks, else "
    "bilinear), put it into the middle of image_size × image_size pixels of RGB "
    f"{', '.join(map(str, PADDING))}",
    Tile.NAME: "bring it to scale times its size, cut it into overlapping tiles of image_size × "
    "image_size, whose outputs are to be blended",
}

UPRIGHT = "turn the photo as its EXIF orientation says"
IN_GRAPH = "; all else is in the graph: resizing, normalisation, views and padding"
NORMALISED = "normalisation, views and padding to a multiple of the stride are in the graph"


def describe(
    run: RunDirectory,
    config: Config,
    classes: ClassNames,
    tasks: dict[str, Task],
    views: Views,
    names: Sequence[str],
    network: Traceable,
) -> dict[str, Any]:
    """The metadata of the chosen tasks of a run; ``docs/export.md`` explains every key."""
    epoch, metrics = run.best_metrics()
    view_of = {route.task: view for view, routes in views.routes.items() for route in routes}
    return {
        "format": _oldest(config, network),
        "auxseg": version("auxseg"),
        "preset": config.preset,
        "architecture": config.model.architecture,
        "encoder": config.model.encoder,
        "weights_licence": run.read_licence(),
        "width": config.model.width,
        "tasks": {
            name: {
                "options": dict(config.tasks.options.get(name, {})),
                "kind": tasks[name].head.kind,
                "channels": tasks[name].head.channels,
                "view": view_of[name],
            }
            for name in names
        },
        "classes": {"mask": list(classes.mask), "label": list(classes.label)},
        "image_size": config.data.image_size,
        "fit": config.data.fit,
        "scale": config.data.scale,
        "input": _input(network),
        "answers": {task: answer for task, (answer, _) in ANSWERS.items() if task in names}
        if isinstance(network, PhotoNetwork)
        else {},
        "preprocessing": UPRIGHT + IN_GRAPH
        if isinstance(network, PhotoNetwork)
        else f"{UPRIGHT}, {FITTING[config.data.fit]} and divide by 255; {NORMALISED}",
        "validation": {
            "epoch": epoch,
            **{key: value for key, value in metrics.items() if key.split("/")[0] in names},
        },
    }


def _oldest(config: Config, network: Traceable) -> int:
    """The oldest version of this block that describes the file: what can read that can read it."""
    if isinstance(network, PhotoNetwork):
        return FORMAT
    return 1 if config.data.fit == Stretch.NAME else 2


def _input(network: Traceable) -> dict[str, Any]:
    """What the file takes."""
    if isinstance(network, PhotoNetwork):
        return {
            "name": network.INPUT,
            "dtype": "uint8",
            "layout": "NHWC",
            "colours": "by the number of channels: grey, grey and alpha, RGB, RGBA; alpha is "
            "ignored",
            "range": [0, 255],
            "sizes": "any",
        }
    return {
        "name": network.INPUT,
        "dtype": "float32",
        "layout": "NCHW",
        "colours": "RGB",
        "range": [0, 1],
        "sizes": "any; best the size trained at"
        if network.size is None
        else [network.size, network.size],
    }


def as_text(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False)
