"""Masks, classes and boxes for photos, from a trained run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from auxseg.build import make_views
from auxseg.data.decode import read_image, stretch
from auxseg.data.folder_files import IMAGE_ENDINGS, is_image, list_files
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.evaluation.measure import load_model, pick_device
from auxseg.models import MultiTaskModel
from auxseg.models.attention import AttentionMask, recorded_attention
from auxseg.models.layers import STRIDE
from auxseg.tasks import Task, draw_all
from auxseg.tasks.classification import ImageClass
from auxseg.training.files import check_folder, replacing
from auxseg.training.run import RunDirectory
from auxseg.types import LabelledImages, Sample

BATCH_SIZE = 8


@dataclass(frozen=True)
class Prediction:
    """What a run says of one photo.

    Attributes:
        name: the photo's file name.
        photo: uint8 (H, W, 3), RGB.
        outputs: task name → what the task decodes (a mask, an :class:`ImageClass`, a box).
        overlay: uint8 (H, W, 3), the supervised tasks' outputs drawn over the photo.
        pictures: task name → uint8 (H, W, 3), of tasks with a picture of their own (edges,
            denoising, colorization).
        attention: ``TASK/encoder-J`` → float16 (C_J, H_J, W_J) in [0, 1], the attention mask of
            this task in block J, where it was asked for and the network has any.
    """

    name: str
    photo: np.ndarray
    outputs: dict[str, Any]
    overlay: np.ndarray
    pictures: dict[str, np.ndarray]
    attention: dict[str, np.ndarray]

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
        self.views = make_views(self.config, self.tasks)
        self.device = pick_device(accelerator)
        self.model.to(self.device)
        assert self.config.data.image_size is not None  # a run's file names the size it used
        self.size = self.config.data.image_size

    @property
    def attentive(self) -> bool:
        """Whether the network has attention masks."""
        return any(isinstance(module, AttentionMask) for module in self.model.modules())

    def predict(
        self,
        image: str | Path | np.ndarray,
        *,
        attention: bool = False,
        seed: int | None = None,
    ) -> Prediction:
        """One photo: a file, or uint8 (H, W, 3) RGB.

        Args:
            attention: also keep the attention masks.
            seed: of the noise that a run's view adds when it is trained and measured; None shows
                the network the photo as it is.

        Raises:
            UnreadableImageError: the file cannot be decoded.
        """
        if isinstance(image, np.ndarray):
            photo = ("image", image)
        else:
            photo = (Path(image).name, read_image(Path(image)))
        return self.predict_batch([photo], attention=attention, seed=seed)[0]

    @torch.inference_mode()
    def predict_batch(
        self,
        photos: Sequence[tuple[str, np.ndarray]],
        *,
        attention: bool = False,
        seed: int | None = None,
    ) -> list[Prediction]:
        """Several photos of any sizes, (name, uint8 (H, W, 3)), in one forward pass a view."""
        small = np.stack([stretch(Sample(photo), self.size).image for _, photo in photos])
        batch = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255
        views = {
            name: view.to(self.device)
            for name, view in self.views(LabelledImages.without_labels(batch), seed).items()
        }
        recording: AbstractContextManager[dict[str, torch.Tensor]]
        recording = recorded_attention(self.model) if attention else nullcontext({})
        with recording as masks:
            outputs = self.model.forward_views(views, self.views.routes)
        return [
            self._decode(
                name,
                photo,
                {task: output[row] for task, output in outputs.items()},
                {key: self._crop(mask[row]) for key, mask in masks.items()},
            )
            for row, (name, photo) in enumerate(photos)
        ]

    def _decode(
        self,
        name: str,
        photo: np.ndarray,
        outputs: dict[str, torch.Tensor],
        attention: dict[str, np.ndarray],
    ) -> Prediction:
        size = (photo.shape[0], photo.shape[1])
        decoded = {task: self.tasks[task].decode(output, size) for task, output in outputs.items()}
        pictures = {
            task: self.tasks[task].picture(photo, found)
            for task, found in decoded.items()
            if self.tasks[task].LAYER is None
        }
        overlay = draw_all(photo, self.tasks, decoded)
        return Prediction(name, photo, decoded, overlay, pictures, attention)

    def _crop(self, mask: torch.Tensor) -> np.ndarray:
        """Without what stands for padding: (C, H, W) of the padded image → float16."""
        padded = -(-self.size // STRIDE) * STRIDE
        side = -(-self.size * mask.shape[-1] // padded)
        return mask[:, :side, :side].half().cpu().numpy()


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
    predictor: Predictor, paths: Sequence[Path], out: Path, *, attention: bool = False
) -> Iterator[tuple[str, Prediction] | UnreadableImageError]:
    """Predicts files in batches and writes what is found into ``out``, yielding each result.

    Writes ``NAME_mask.png`` (class indices, the photo's size), ``NAME_overlay.png``,
    ``NAME_TASK.png`` of tasks with a picture of their own, ``NAME_attention.npz`` where asked for,
    and, in the end, ``predictions.json``. Yields NAME and what was found; an unreadable file is
    yielded as its error, and the others go on.
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
        found = predictor.predict_batch(photos, attention=attention) if photos else []
        for stem, prediction in zip(stems, found, strict=True):
            write_pictures(prediction, out, stem)
            entries.append({**prediction.as_dict(), "files": stem})
            yield stem, prediction
    with replacing(out / "predictions.json") as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def write_pictures(prediction: Prediction, out: Path, stem: str) -> None:
    if prediction.mask is not None:
        Image.fromarray(prediction.mask).save(out / f"{stem}_mask.png")
    Image.fromarray(prediction.overlay).save(out / f"{stem}_overlay.png")
    for task, picture in prediction.pictures.items():
        Image.fromarray(picture).save(out / f"{stem}_{task}.png")
    if prediction.attention:
        np.savez_compressed(out / f"{stem}_attention.npz", **prediction.attention)  # type: ignore[arg-type]


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
