"""From a prediction to what a page can show: JSON, with pictures as data URLs."""

from __future__ import annotations

import base64
import gzip
import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from auxseg.palette import class_colours, mask_picture
from auxseg.predict import Prediction, Predictor

#: Probabilities and uncertainty are shown at so many pixels along the longer side.
COARSE = 256


@dataclass(frozen=True)
class Served:
    """A network that answers.

    Attributes:
        name: what it is called on the page.
    """

    name: str
    predictor: Predictor

    @property
    def classes(self) -> tuple[str, ...]:
        """Of its masks; empty without segmentation."""
        task = self.predictor.tasks.get("segmentation")
        return () if task is None else task.classes.mask

    def about(self) -> dict[str, Any]:
        """What a page needs to know before the first photo."""
        return {
            "name": self.name,
            "preset": self.predictor.network.preset,
            "tasks": list(self.predictor.tasks),
            "classes": classes_with_colours(self.classes),
            "attention": self.predictor.attentive,
        }


def classes_with_colours(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Name and colour, such as ``#008cff``, of each class in order."""
    colours = class_colours(len(names))
    return [
        {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour)}
        for name, colour in zip(names, colours.tolist(), strict=True)
    ]


def answer(
    served: Served,
    photo: np.ndarray,
    *,
    probabilities: bool = False,
    attention: bool = False,
    raw: bool = False,
) -> dict[str, Any]:
    """Everything that a network says of a photo, uint8 (H, W, 3).

    ``mask`` is a PNG file at the photo's size whose palette has the classes' colours and whose
    values are their numbers; ``pixels`` (with ``raw``) the same numbers, a byte each, row by row,
    packed by gzip, in base64: browsers may change what they read from a picture.
    ``probabilities`` is one grey PNG file a class, 255 for certain, at most :data:`COARSE` pixels
    long; ``attention`` one a task and block.
    """
    predictor = served.predictor
    attention = attention and predictor.attentive
    known = probabilities and "segmentation" in predictor.tasks
    found = predictor.predict(photo, attention=attention, probabilities=known)
    height, width = photo.shape[:2]
    said: dict[str, Any] = {
        "network": served.name,
        "width": width,
        "height": height,
        "label": found.label,
        "probability": found.probability,
        "box": None if found.box is None else [float(value) for value in found.box],
        "mask": None if found.mask is None else as_url(mask_picture(found.mask)),
        "classes": _shares(found),
    }
    if raw and found.mask is not None:
        said["pixels"] = packed(found.mask)
    if known:
        planes = coarse(found)
        said["uncertainty"] = uncertainty(planes)
        said["probabilities"] = [as_url(_grey(plane)) for plane in planes]
    if attention:
        said["attention"] = {
            key: as_url(_stretched(mask.astype(np.float32).mean(axis=0)))
            for key, mask in found.attention.items()
        }
    return said


def packed(mask: np.ndarray) -> str:
    """Class numbers, row by row, packed by gzip, in base64."""
    return base64.b64encode(gzip.compress(mask.tobytes(), 1)).decode()


def _shares(found: Prediction) -> list[dict[str, Any]]:
    """Each class with its pixels and its share of the photo."""
    areas = found.areas or {}
    total = max(1, sum(areas.values()))
    return [
        {**known, "pixels": pixels, "share": pixels / total}
        for known, pixels in zip(classes_with_colours(tuple(areas)), areas.values(), strict=True)
    ]


def coarse(found: Prediction) -> np.ndarray:
    """The probability of each class, float32 (K, h, w), at most :data:`COARSE` pixels long."""
    assert found.probabilities is not None
    height, width = found.photo.shape[:2]
    scale = min(1.0, COARSE / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    known = found.probabilities
    planes = (known[number] for number in range(len(found.classes)))
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes])


def uncertainty(planes: np.ndarray) -> float:
    """The mean entropy of the pixels, from 0 (certain) to 1 (all classes alike everywhere).

    Args:
        planes: probabilities, (K, h, w).
    """
    if len(planes) < 2:
        return 0.0
    logs = np.log(np.clip(planes, 1e-9, 1.0))
    return float(-(planes * logs).sum(axis=0).mean() / np.log(len(planes)))


def as_url(picture: Image.Image) -> str:
    """A picture as the data URL of a PNG file."""
    stream = io.BytesIO()
    picture.save(stream, format="png", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _grey(plane: np.ndarray) -> Image.Image:
    """Values in [0, 1] as greys."""
    return Image.fromarray((255 * np.clip(plane, 0, 1)).round().astype(np.uint8))


def _stretched(plane: np.ndarray) -> Image.Image:
    """From its own 2nd to its 98th percentile, as the report shows attention."""
    low, high = np.percentile(plane, (2, 98))
    return _grey((plane - low) / max(high - low, 1e-6))
