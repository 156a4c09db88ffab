"""Masks, classes and boxes for photos, from a trained run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from auxseg.data.decode import read_image, stretch
from auxseg.data.folder_files import IMAGE_ENDINGS, is_image, list_files
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.evaluation.measure import load_model, pick_device
from auxseg.models import MultiTaskModel
from auxseg.tasks import Task, draw_all
from auxseg.tasks.classification import ImageClass
from auxseg.training.run import RunDirectory, check_folder, replacing
from auxseg.types import Sample

BATCH_SIZE = 8


@dataclass(frozen=True)
class Prediction:
    """What a run says of one photo.

    Attributes:
        name: the photo's file name.
        photo: uint8 (H, W, 3), RGB.
        outputs: task name → what the task decodes (a mask, an :class:`ImageClass`, a box).
        overlay: uint8 (H, W, 3), all outputs drawn over the photo.
    """

    name: str
    photo: np.ndarray
    outputs: dict[str, Any]
    overlay: np.ndarray

    @property
    def mask(self) -> np.ndarray | None:
        """Class indices, uint8 (H, W), at the photo's own size."""
        return self.outputs.get("segmentation")

    @property
    def label(self) -> str | None:
        """The most probable class."""
        found: ImageClass | None = self.outputs.get("classification")
        return found.name if found else None

    @property
    def probability(self) -> float | None:
        """That class's probability, in [0, 1]."""
        found: ImageClass | None = self.outputs.get("classification")
        return found.probability if found else None

    @property
    def box(self) -> tuple[float, ...] | None:
        """xyxy in the photo's pixels."""
        return self.outputs.get("bbox")

    def as_dict(self) -> dict[str, Any]:
        """The entry in ``predictions.json``."""
        height, width = self.photo.shape[:2]
        return {
            "image": self.name,
            "width": width,
            "height": height,
            "class": self.label,
            "probability": self.probability,
            "box": None if self.box is None else list(self.box),
        }


class Predictor:
    """A trained run, ready for photos.

    Args:
        run_dir: the run directory.
        accelerator: auto, cpu or gpu.
    """

    def __init__(self, run_dir: str | Path, accelerator: str = "auto") -> None:
        self.config, self.classes = RunDirectory(run_dir).read_config()
        self.model: MultiTaskModel
        self.tasks: dict[str, Task]
        self.model, self.tasks = load_model(RunDirectory(run_dir), self.config, self.classes)
        self.device = pick_device(accelerator)
        self.model.to(self.device)
        assert self.config.data.image_size is not None  # a run's file names the size it used
        self.size = self.config.data.image_size

    def predict(self, image: str | Path | np.ndarray) -> Prediction:
        """One photo: a file, or uint8 (H, W, 3) RGB.

        Raises:
            UnreadableImageError: the file cannot be decoded.
        """
        if isinstance(image, np.ndarray):
            return self.predict_batch([("image", image)])[0]
        return self.predict_batch([(Path(image).name, read_image(Path(image)))])[0]

    @torch.inference_mode()
    def predict_batch(self, photos: Sequence[tuple[str, np.ndarray]]) -> list[Prediction]:
        """Several photos of any sizes, (name, uint8 (H, W, 3)), in one forward pass."""
        small = np.stack([stretch(Sample(photo), self.size).image for _, photo in photos])
        batch = torch.from_numpy(small).to(self.device).permute(0, 3, 1, 2).float() / 255
        outputs = self.model(batch)
        return [
            self._decode(name, photo, {task: output[row] for task, output in outputs.items()})
            for row, (name, photo) in enumerate(photos)
        ]

    def _decode(self, name: str, photo: np.ndarray, outputs: dict[str, torch.Tensor]) -> Prediction:
        size = (photo.shape[0], photo.shape[1])
        decoded = {task: self.tasks[task].decode(output, size) for task, output in outputs.items()}
        return Prediction(name, photo, decoded, draw_all(photo, self.tasks, decoded))


def load(run_dir: str | Path, accelerator: str = "auto") -> Predictor:
    """Loads a run: ``auxseg.load("runs/pets").predict("cat.jpg").mask``."""
    return Predictor(run_dir, accelerator)


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Image files as given, and those directly inside folders, in order of name.

    Raises:
        UsageError: a path does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [item for item in list_files(path) if is_image(item)]
            if not inside:
                raise UsageError(f"{path}: holds no image ({', '.join(IMAGE_ENDINGS)})")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such image or folder")
    return found


def predict_files(
    predictor: Predictor, paths: Sequence[Path], out: Path
) -> Iterator[Prediction | UnreadableImageError]:
    """Predicts files in batches and writes what is found into ``out``, yielding each result.

    Writes ``NAME_mask.png`` (class indices, the photo's size), ``NAME_overlay.png`` and, in the
    end, ``predictions.json``. An unreadable file is yielded as its error; the others go on.
    """
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    names = output_names(paths)
    entries: list[dict[str, Any]] = []
    for start in range(0, len(paths), BATCH_SIZE):
        photos, stems = [], []
        for path in paths[start : start + BATCH_SIZE]:
            try:
                photos.append((path.name, read_image(path)))
                stems.append(names[path])
            except UnreadableImageError as error:
                yield error
        for stem, prediction in zip(
            stems, predictor.predict_batch(photos) if photos else [], strict=True
        ):
            write_pictures(prediction, out, stem)
            entries.append({**prediction.as_dict(), "files": stem})
            yield prediction
    with replacing(out / "predictions.json") as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def write_pictures(prediction: Prediction, out: Path, stem: str) -> None:
    if prediction.mask is not None:
        Image.fromarray(prediction.mask).save(out / f"{stem}_mask.png")
    Image.fromarray(prediction.overlay).save(out / f"{stem}_overlay.png")


def output_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for every photo's files: its stem, numbered where two photos share one."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = path.stem, 2
        while name in taken and path not in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.setdefault(path, name)
        taken.add(name)
    return names
