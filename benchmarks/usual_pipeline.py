"""The usual per-image pipeline, written with Pillow and NumPy, to compare auxseg's loader with.

Every epoch opens every photo and mask, resizes, augments and makes the targets image by image, and
stacks them to a batch: the tasks, options and random draws of auxseg's own loader, so that the
work is equal. Where Pillow would do more work only to be the same, it is spared it: classes and
boxes are read beforehand; what lies outside the picture is black, not a reflection; the hue is
turned on Pillow's 8-bit HSV circle, not in YIQ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.utils.data import Dataset

from auxseg.assembly import Data
from auxseg.data.augmentation import Augment, Draws
from auxseg.data.keys import Key
from auxseg.tasks import Task, Views
from auxseg.types import IGNORE_INDEX, NO_LABEL, Batch, Target

#: A trimap's 1 pet, 2 background, 3 border → the mask's classes, the border counting as pet.
MASK_OF_TRIMAP = np.array([0, 1, 0, 1], dtype=np.uint8)

#: Sets the noise apart from the augmentation's random numbers.
NOISE = 1

XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ],
    dtype=np.float32,
)
WHITE = np.array([0.95047, 1.0, 1.08883], dtype=np.float32)

Item = dict[str, Any]


class UsualPipeline(Dataset[Item]):
    """One image at a time: decoded, augmented, with its views and targets.

    Args:
        data: of ``oxford-pet``; gives the files, and the boxes and classes read beforehand.
        size: side of the square, in pixels.
        tasks: the run's tasks.
        views: which inputs are wanted.
        augment: ranges and draws; the moving and colouring itself is Pillow's. None for none.
        seed: of augmentation and noise.
    """

    def __init__(
        self,
        data: Data,
        size: int,
        tasks: Mapping[str, Task],
        views: Views,
        augment: Augment | None,
        seed: int,
    ) -> None:
        self.files = [data.dataset.sources(index)[:2] for index in range(len(data.dataset))]
        self.labels, self.boxes = np.array(data.arrays.labels), np.array(data.arrays.boxes)
        self.size, self.tasks, self.views = size, dict(tasks), views
        self.augment, self.seed = augment, seed

    def __getitem__(self, key: Key) -> Item:
        image, mask = self._read(*self.files[key.index])
        box = self.boxes[key.index]
        if self.augment is not None:
            draws = self.augment.draw(torch.tensor([key.index]), key.epoch, self.seed)
            inverse = np.linalg.inv(_on_corners(draws, self.size))
            image = recoloured(moved(image, inverse, Image.Resampling.BILINEAR, 0), draws)
            mask = moved(mask, inverse, Image.Resampling.NEAREST, IGNORE_INDEX)
            box = moved_box(box, _on_corners(draws, self.size), self.size, self.augment)
        pixels = np.asarray(image)
        scaled = pixels.astype(np.float32) / 255
        lab = rgb_to_lab(scaled) if "colorization" in self.tasks else None
        item: Item = {
            f"target/{name}": self._target(task, key, pixels, scaled, lab, mask, box)
            for name, task in self.tasks.items()
        }
        for view in self.views.routes:
            item[f"view/{view}"] = self._view(view, key, scaled, lab)
        return item | {"index": key.index}

    def _read(self, photo: Path, trimap: Path) -> tuple[Image.Image, Image.Image]:
        square = (self.size, self.size)
        with Image.open(photo) as opened:
            image = opened.convert("RGB").resize(square, Image.Resampling.BILINEAR)
        with Image.open(trimap) as opened:
            mask = Image.fromarray(MASK_OF_TRIMAP[np.asarray(opened)])
        return image, mask.resize(square, Image.Resampling.NEAREST)

    def _target(
        self,
        task: Task,
        key: Key,
        pixels: np.ndarray,
        scaled: np.ndarray,
        lab: np.ndarray | None,
        mask: Image.Image,
        box: np.ndarray,
    ) -> tuple[np.ndarray | int, bool]:
        """Value of one image, and whether it is known."""
        match task.NAME:
            case "segmentation":
                values = np.asarray(mask).astype(np.int64)
                return values, bool((values != IGNORE_INDEX).any())
            case "classification":
                label = int(self.labels[key.index])
                return max(label, 0), label != NO_LABEL
            case "bbox":
                return np.nan_to_num(box), not np.isnan(box).any()
            case "denoising":
                return scaled.transpose(2, 0, 1), True
            case "edges":
                grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
                found = cv2.Canny(grey, task.low, task.high, L2gradient=task.norm == "l2")  # type: ignore[attr-defined]
                return (found > 0).astype(np.float32)[None], True
            case "colorization":
                assert lab is not None
                return lab.transpose(2, 0, 1) / 100, True
        raise ValueError(task.NAME)

    def _view(self, view: str, key: Key, scaled: np.ndarray, lab: np.ndarray | None) -> np.ndarray:
        match view:
            case "image":
                seen = scaled
            case "noisy":
                draw = np.random.default_rng((self.seed, key.epoch, key.index, NOISE))
                std = self.tasks["denoising"].std / 255  # type: ignore[attr-defined]
                noise = draw.standard_normal((3, self.size, self.size), np.float32)
                seen = (scaled + std * noise.transpose(1, 2, 0)).clip(0, 1)
            case "lightness":
                assert lab is not None
                seen = lab[..., :1].repeat(self.views.channels, axis=2) / 100
            case _:
                raise ValueError(view)
        return seen.transpose(2, 0, 1)

    def collate(self, items: list[Item]) -> Batch:
        """Stacks images to a batch."""
        targets = {}
        for name in self.tasks:
            values, present = zip(*(item[f"target/{name}"] for item in items), strict=True)
            targets[name] = Target(torch.from_numpy(np.stack(values)), torch.tensor(present))
        views = {
            view: torch.from_numpy(np.stack([item[f"view/{view}"] for item in items]))
            for view in self.views.routes
        }
        index = torch.tensor([item["index"] for item in items])
        labelled = {name: int(target.present.sum()) for name, target in targets.items()}
        return Batch(views, self.views.routes, targets, index, labelled)


def _on_corners(draws: Draws, size: int) -> np.ndarray:
    """float64 (3, 3): where a point goes, in pixels from the picture's upper left corner."""
    centre = np.eye(3)
    centre[:2, 2] = size / 2
    return np.asarray(centre @ draws.affine(size, size)[0] @ np.linalg.inv(centre))


def moved(
    image: Image.Image, inverse: np.ndarray, method: Image.Resampling, outside: int
) -> Image.Image:
    """Pillow asks for each of the new pixels where it comes from."""
    fill = (outside,) * len(image.getbands())
    coefficients = tuple(inverse[:2].flatten())
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, method, fillcolor=fill)


def moved_box(box: np.ndarray, matrix: np.ndarray, size: int, augment: Augment) -> np.ndarray:
    """float32 (4,): hull of the moved corners, cut to the picture; NaN where too little is left."""
    corners = np.array([[box[x] * size, box[y] * size, 1] for x in (0, 2) for y in (1, 3)])
    points = (corners @ matrix.T)[:, :2] / size
    hull = np.concatenate([points.min(axis=0), points.max(axis=0)])
    cut = hull.clip(0, 1)
    whole, visible = (np.prod(one[2:] - one[:2]) for one in (hull, cut))
    kept = visible > 0 and visible >= augment.min_box_visible * whole
    return (cut if kept else np.full(4, np.nan)).astype(np.float32)


def recoloured(image: Image.Image, draws: Draws) -> Image.Image:
    """Brightness, contrast, saturation and hue, one after the other."""
    image = ImageEnhance.Brightness(image).enhance(float(draws.brightness[0]))
    image = ImageEnhance.Contrast(image).enhance(float(draws.contrast[0]))
    image = ImageEnhance.Color(image).enhance(float(draws.saturation[0]))
    hue, saturation, value = image.convert("HSV").split()
    turn = round(float(draws.hue[0]) / (2 * np.pi) * 256) % 256
    # 8-bit numbers run over as the circle of hues does.
    turned = Image.fromarray(np.asarray(hue) + np.uint8(turn))
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def rgb_to_lab(image: np.ndarray) -> np.ndarray:
    """float32 (H, W, 3) RGB in [0, 1] → Lab (sRGB, D65), as scikit-image computes it."""
    linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    ratio = linear @ XYZ.T / WHITE
    x, y, z = np.moveaxis(
        np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116), 2, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)
