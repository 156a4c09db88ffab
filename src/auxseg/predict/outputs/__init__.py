"""What is written of a photo. A further kind of file is a file in this folder and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auxseg.predict.outputs import polygons, probabilities
from auxseg.predict.outputs.attention import write_attention_arrays
from auxseg.predict.outputs.pictures import write_mask, write_overlay, write_picture
from auxseg.predict.predictor import Prediction
from auxseg.runs.files import replacing
from auxseg.tasks import Task

#: Writes a file of a prediction at a path.
Writer = Callable[[Prediction, Path], None]


@dataclass(frozen=True)
class Wanted:
    """What is written of each photo besides mask, overlay and the tasks' own pictures.

    Attributes:
        attention: the attention masks, as arrays.
        probabilities: of every class at every pixel: ``png``, a file per class, or ``npz``.
        polygons: ``coco``, one file of all photos, or ``labelme``, a file of each.
    """

    attention: bool = False
    probabilities: str | None = None
    polygons: str | None = None

    @property
    def key(self) -> str:
        """Tells these outputs from others."""
        return " ".join(f"{name}={value}" for name, value in vars(self).items() if value)


#: Mask, overlay and the tasks' own pictures alone.
PLAIN = Wanted()


def writers(tasks: Mapping[str, Task], wanted: Wanted) -> dict[str, Writer]:
    """What follows a photo's name in each file's name → what writes the file."""
    found: dict[str, Writer] = {"_overlay.png": write_overlay}
    if "segmentation" in tasks:
        found["_mask.png"] = write_mask
        found |= _of_masks(len(tasks["segmentation"].classes.mask), wanted)
    for name, task in tasks.items():
        if task.LAYER is None:
            found[f"_{name}.png"] = write_picture(name)
    if wanted.attention:
        found["_attention.npz"] = write_attention_arrays
    return found


def _of_masks(classes: int, wanted: Wanted) -> dict[str, Writer]:
    found: dict[str, Writer] = {}
    if wanted.polygons == "labelme":
        found[".json"] = polygons.write_labelme  # the name that LabelMe looks for
    if wanted.probabilities == "npz":
        found["_probabilities.npz"] = probabilities.write_arrays
    elif wanted.probabilities == "png":
        for number in range(classes):
            found[f"_probability_{number}.png"] = probabilities.write_plane(number)
    return found


def write_outputs(
    prediction: Prediction, out: Path, stem: str, files: Mapping[str, Writer]
) -> None:
    """Writes the files of a photo into a folder, each whole or not at all."""
    for ending, write in files.items():
        with replacing(out / f"{stem}{ending}", sync=False) as temporary:
            write(prediction, temporary)


def entry_of(prediction: Prediction, stem: str, wanted: Wanted) -> dict[str, Any]:
    """What is noted of a photo, for the files of all of them.

    Args:
        stem: the name of its files.
    """
    path = prediction.name if prediction.source is None else str(prediction.source)
    entry = {**prediction.as_dict(), "path": path, "files": stem}
    if wanted.polygons == "coco" and prediction.mask is not None:
        entry["coco"] = polygons.coco_annotations(prediction)
    return entry
