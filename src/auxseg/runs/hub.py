"""A network in a folder as model hubs keep it: ``config.json`` and ``model.safetensors``.

It holds what predicting needs and nothing of the machine that it was trained on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from auxseg import assembly
from auxseg.assembly import CHOICES
from auxseg.config import Config
from auxseg.config.keys import plain
from auxseg.config.parsing import run_options, to_config
from auxseg.errors import AuxsegError, DataError
from auxseg.models import MultiTaskModel
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import write_text
from auxseg.runs.weights import read_weights, write_weights
from auxseg.tasks import Task
from auxseg.types import ClassNames

CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: Version of the folder; a reader refuses a newer one.
FORMAT = 1
#: How photos become the network's pictures: of the options of the data all that predicting needs.
OF_DATA = ("image_size", "fit", "scale")


@dataclass(frozen=True)
class HubFolder:
    """What ``config.json`` says.

    Attributes:
        content: all of it.
    """

    path: Path
    config: Config
    classes: ClassNames
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> HubFolder:
        """Raises :class:`DataError` where the folder is not ours, newer, or damaged."""
        file = path / CONFIG
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.get("library_name") != "auxseg":
                raise DataError(f"{file}: is of no network of auxseg")
            if content["format"] > FORMAT:
                raise DataError(
                    f"{file}: was written by auxseg {content['auxseg']}, which this version "
                    "cannot read; update auxseg"
                )
            classes = ClassNames(*(tuple(content["classes"][kind]) for kind in ("mask", "label")))
            preset, options = run_options(content["options"])
            return cls(path, to_config(preset, [options], CHOICES), classes, content)
        except DataError:
            raise
        except (AuxsegError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file}: cannot be read ({error})") from None

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    def load(self) -> tuple[MultiTaskModel, dict[str, Task]]:
        """The network in evaluation mode, and its tasks."""
        tasks = assembly.make_tasks(self.config, self.classes)
        model = assembly.make_model(self.config, tasks)
        try:
            model.load_state_dict(read_weights(self.weights))
        except RuntimeError:
            raise DataError(f"{self.weights}: holds other weights than {CONFIG} says") from None
        return model.eval(), tasks


def is_hub_folder(path: Path) -> bool:
    """Whether a folder is one of these, and not a run."""
    return (path / CONFIG).is_file() and not RunDirectory(path).config_file.is_file()


def write_hub_folder(run: RunDirectory, out: Path) -> dict[str, Any]:
    """Writes both files; returns what ``config.json`` says."""
    config, classes = run.read_config()
    epoch, metrics = run.best_metrics()
    options = plain(config)
    content = {
        "library_name": "auxseg",
        "format": FORMAT,
        "auxseg": version("auxseg"),
        "classes": {"mask": list(classes.mask), "label": list(classes.label)},
        "options": {
            "preset": config.preset,
            "model": {**options["model"], "weights": "none"},
            "tasks": options["tasks"],
            "data": {name: options["data"][name] for name in OF_DATA},
        },
        "weights_licence": run.read_licence(),
        "validation": {"epoch": epoch, **metrics},
    }
    write_weights(out / WEIGHTS, run.read_best())
    write_text(out / CONFIG, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return content
