"""Masks, classes and boxes for photos, from a trained run or an exported file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from auxseg.data.decode import from_picture, read_image
from auxseg.data.fits import Tile
from auxseg.data.given import as_photo
from auxseg.devices import pick_device
from auxseg.errors import DataError
from auxseg.failures import explained
from auxseg.predict.ensemble import Ensemble
from auxseg.predict.exported import ENDINGS, WEB_NETWORK, open_exported
from auxseg.predict.hub import fetched, is_hub_name
from auxseg.predict.network import Network, Outputs, RunNetwork
from auxseg.runs.averaging import ONCE, parse_looks
from auxseg.runs.directory import RunDirectory
from auxseg.runs.hub import is_hub_folder
from auxseg.runs.tiles import Decided, look_by_tiles
from auxseg.tasks import draw_all
from auxseg.tasks.classification import ImageClass
from auxseg.tasks.enlarge import Probabilities, SpooledProbabilities
from auxseg.types import Sample


@dataclass(frozen=True)
class Prediction:
    """What a run says of one photo.

    Attributes:
        name: the photo's file name.
        photo: uint8 (H, W, 3), RGB.
        outputs: task name → what the task decodes (a mask, an :class:`ImageClass`, a box).
        overlay: uint8 (H, W, 3), the supervised tasks' outputs drawn over the photo.
        pictures: task name → uint8 (H, W, 3), of tasks with a picture of their own, such as edges
            and denoising.
        attention: ``TASK/encoder-J`` → float16 (C_J, H_J, W_J) in [0, 1], the attention mask of
            this task in block J, where it was asked for and the network has any.
        classes: names of the mask's classes, index order.
        probabilities: of every class at every pixel, where they were asked for.
        source: the photo's file; None for an array.
    """

    name: str
    photo: np.ndarray
    outputs: dict[str, Any]
    overlay: np.ndarray
    pictures: dict[str, np.ndarray]
    attention: dict[str, np.ndarray]
    classes: tuple[str, ...] = ()
    probabilities: Probabilities | SpooledProbabilities | None = None
    source: Path | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """Class indices, uint8 (H, W), at the photo's own size."""
        return self.outputs.get("segmentation")

    @cached_property
    def areas(self) -> dict[str, int] | None:
        """The mask's pixels of every class, by name, index order; None without a mask."""
        if self.mask is None:
            return None
        # Row by row: bincount widens what it counts to 8 bytes.
        counts = np.sum(
            [np.bincount(row, minlength=len(self.classes)) for row in self.mask], axis=0
        )
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def found(self) -> list[int]:
        """The indices of the classes that the mask holds, ascending."""
        return [number for number, pixels in enumerate((self.areas or {}).values()) if pixels]

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

    def show(self) -> Image.Image:
        """The overlay and, below it, the classes that were found: notebooks show it as it is."""
        from auxseg.predict.outputs.pictures import with_legend

        return with_legend(self)

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
            "areas": self.areas,
        }


class Predictor:
    """A trained network, ready for photos.

    Args:
        network: a run's, or an exported file's (see :func:`load`).
    """

    def __init__(self, network: Network) -> None:
        self.network, self.fit = network, network.fit
        self.tasks, self.size = dict(network.tasks), network.size
        if not self.fit.WHOLE:  # what a crop says of itself says nothing of the photo
            self.tasks = {
                name: task for name, task in self.tasks.items() if task.head.kind == "dense"
            }

    @property
    def attentive(self) -> bool:
        """Whether the network can show attention masks of a photo."""
        return self.network.attentive and self.fit.WHOLE

    @property
    def together(self) -> int | None:
        """How many photos may be run together; None for any number."""
        return None if self.fit.WHOLE else 1

    def predict(
        self,
        image: str | Path | np.ndarray | Image.Image,
        *,
        attention: bool = False,
        probabilities: bool = False,
        seed: int | None = None,
    ) -> Prediction:
        """One photo.

        Args:
            image: a file, a picture of Pillow's, or an array that
                :func:`auxseg.data.given.as_photo` takes.
            attention: also keep the attention masks.
            probabilities: also keep what :attr:`Prediction.probabilities` needs.
            seed: see :class:`auxseg.predict.network.Network`.

        Raises:
            UnreadableImageError: the file cannot be decoded.
            UsageError: the array is no photo.
        """
        if isinstance(image, np.ndarray):
            name, source, photo = "image", None, as_photo(image)
        elif isinstance(image, Image.Image):
            name, source, photo = "image", None, from_picture(image)
        else:
            source = Path(image)
            name, photo = source.name, read_image(source)
        (outputs,) = self.run(
            [self.shrink(photo)], attention=attention, probabilities=probabilities, seed=seed
        )
        return self.decode(name, photo, outputs, probabilities=probabilities, source=source)

    def predict_batch(
        self,
        photos: Sequence[tuple[str, np.ndarray]],
        *,
        attention: bool = False,
        seed: int | None = None,
    ) -> list[Prediction]:
        """Several photos of any sizes, names and arrays, in one forward pass a view."""
        photos = [(name, as_photo(photo)) for name, photo in photos]
        small = [self.shrink(photo) for _, photo in photos]
        outputs = self.run(small, attention=attention, seed=seed)
        return [
            self.decode(name, photo, output)
            for (name, photo), output in zip(photos, outputs, strict=True)
        ]

    # -- the three steps of it, which a folder's photos take in different threads ----------------

    def shrink(self, photo: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) → (S, S, 3), what the network is shown; of tiles the photo itself."""
        return self.fit.kept(Sample(photo)).image if self.fit.WHOLE else photo

    @explained(DataError, memory="lower --batch-size, or take another --accelerator")
    @torch.inference_mode()
    def run(
        self,
        small: Sequence[np.ndarray],
        *,
        attention: bool = False,
        probabilities: bool = False,
        seed: int | None = None,
    ) -> list[Outputs]:
        """The raw outputs for each shrunken photo, without the batch dimension.

        Args:
            probabilities: whether those of every class will be asked for.
        """
        if isinstance(self.fit, Tile):
            return [self._by_tiles(self.fit, photo, probabilities, seed) for photo in small]
        batch = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
        found = self.network(batch, attention=attention, seed=seed)
        return [
            Outputs(
                {task: output[row] for task, output in found.tasks.items()},
                {key: mask[row] for key, mask in found.attention.items()},
            )
            for row in range(len(small))
        ]

    def _by_tiles(
        self, fit: Tile, photo: np.ndarray, probabilities: bool, seed: int | None
    ) -> Outputs:
        def answer(pictures: torch.Tensor) -> Mapping[str, torch.Tensor]:
            return self.network(pictures, seed=seed).tasks

        return Outputs(look_by_tiles(fit, photo, self.tasks, answer, probabilities=probabilities))

    @explained(DataError, memory="the photo is too large for this machine")
    @torch.inference_mode()
    def decode(
        self,
        name: str,
        photo: np.ndarray,
        outputs: Outputs,
        *,
        probabilities: bool = False,
        source: Path | None = None,
    ) -> Prediction:
        """What a user gets of one photo."""
        size = (photo.shape[0], photo.shape[1])
        within = {task: self._within(task, output, size) for task, output in outputs.tasks.items()}
        decoded = {
            task: one.mask if isinstance(one, Decided) else self.tasks[task].decode(one, size)
            for task, one in within.items()
        }
        pictures = {
            task: self.tasks[task].picture(photo, found)
            for task, found in decoded.items()
            if self.tasks[task].LAYER is None
        }
        overlay = draw_all(photo, self.tasks, decoded)
        attention = self._crop(outputs.attention, size)
        segmentation = self.tasks.get("segmentation")
        return Prediction(
            *(name, photo, decoded, overlay, pictures, attention),
            classes=() if segmentation is None else segmentation.classes.mask,
            probabilities=_probabilities(within["segmentation"], size)
            if probabilities and segmentation is not None
            else None,
            source=source,
        )

    def _within(
        self, task: str, output: torch.Tensor | Decided, size: tuple[int, int]
    ) -> torch.Tensor | Decided:
        """A task's output for the photo without its padding."""
        if isinstance(output, Decided) or not self.fit.WHOLE:
            return output
        return self.tasks[task].within(output, self.fit.part(*size).relative(self.size))

    def _crop(
        self, masks: Mapping[str, torch.Tensor], size: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Without what stands for padding: (C, H, W) of the padded image → float16."""
        stride = self.network.stride
        padded = -(-self.size // stride) * stride
        cropped = {}
        for key, mask in masks.items():
            side = -(-self.size * mask.shape[-1] // padded)
            x_min, y_min, x_max, y_max = self.fit.part(*size).relative(self.size)
            rows, columns = (_cells(*ends, side) for ends in ((y_min, y_max), (x_min, x_max)))
            cropped[key] = mask[:, rows, columns].half().cpu().numpy()
        return cropped


def _cells(first: float, last: float, count: int) -> slice:
    """Of so many cells along a side those between two places in [0, 1]: one at least."""
    start = min(round(first * count), count - 1)
    return slice(start, max(round(last * count), start + 1))


def _probabilities(
    output: torch.Tensor | Decided, size: tuple[int, int]
) -> Probabilities | SpooledProbabilities | None:
    if isinstance(output, Decided):
        return output.probabilities
    return Probabilities(output.float(), size)


def load(
    path: str | Path,
    accelerator: str = "auto",
    *,
    others: Sequence[str | Path] = (),
    tta: Sequence[str] = (),
) -> Predictor:
    """Loads a run or an exported file: ``auxseg.load("runs/pets").predict("cat.jpg").mask``.

    Args:
        path: a run directory, what ``auxseg export`` wrote (``.onnx``, ``.pt2``, or a folder), or
            the name of such a folder on Hugging Face's hub, ``owner/name``, where huggingface_hub
            is installed. The network is asked only for what is no path here.
        accelerator: auto, cpu, gpu or mps. An ONNX file runs on the GPU where onnxruntime was
            installed with one, else on the CPU.
        others: further runs or files, whose answers are averaged with this one's.
        tta: further looks of each of them at every photo: ``flip``, and scales such as ``0.75``.

    Raises:
        DataError: there is no such thing, or it is damaged.
        UsageError: the accelerator cannot be used, onnxruntime is missing, or the networks do not
            go together.
    """
    device, looks = pick_device(accelerator), parse_looks(tta)
    networks = {str(one): _open(Path(one), device) for one in (path, *others)}
    if len(networks) == 1 and looks == ONCE:
        return Predictor(networks[str(path)])
    return Predictor(Ensemble(networks, looks))


def _open(path: Path, device: torch.device) -> Network:
    if path.suffix in ENDINGS and not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.exists() and is_hub_name(str(path)):
        path = fetched(str(path))
    within = path / WEB_NETWORK
    if within.is_file() and not is_hub_folder(path) and not RunDirectory(path).config_file.exists():
        path = within
    return open_exported(path, device) if path.is_file() else RunNetwork(path, device)
