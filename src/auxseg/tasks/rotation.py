"""Rotation: by how many quarter turns the image was turned (Gidaris, Singh and Komodakis 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from auxseg.tasks.base import MetricInfo
from auxseg.tasks.one_class import OneClass, most_probable, write_in_corner
from auxseg.types import Example, HeadSpec, LabelledImages, Sample, Target

#: Sets the turns apart from the other random numbers of the same seed, epoch and image.
_PURPOSE = 2

#: What a photo looks like after so many quarter turns, counter-clockwise.
TURNS = ("upright", "turned left", "upside down", "turned right")

#: Where its top is then: right and down.
_TOP = ((0, -1), (-1, 0), (0, 1), (1, 0))

_ARROW = (220, 30, 60)


@dataclass(frozen=True)
class Turn:
    """By how much a photo is turned, and the probability of that in [0, 1] where it is predicted.

    Attributes:
        quarters: of a full turn, 0 to 3, counter-clockwise.
    """

    quarters: int
    probability: float | None = None


class Rotation(OneClass):
    """Which of four turns an image was given, learned as :class:`OneClass` is.

    Chance is right for a quarter of the images. Photos that are to be predicted are shown as they
    are: the answer says which way is up.
    """

    NAME = "rotation"
    LABEL = None
    VIEW = "turned"
    SHAREABLE = False
    DRAWS_TARGET = True
    WEIGHT = 0.1
    LAYER = None
    METRICS: ClassVar = {"accuracy": MetricInfo("rotation accuracy", 1.0)}

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("global", len(TURNS))

    def example(self, images: LabelledImages, seed: int) -> Example:
        """The view are the images, each turned as drawn for it; value int64 (N,), quarter turns.

        Raises:
            ValueError: the images are not square, as a batch has to be where some are turned.
        """
        height, width = images.image.shape[-2:]
        if height != width:
            raise ValueError(f"rotation needs square images, not {height}×{width}")
        keys = [(seed, images.epoch, int(number), _PURPOSE) for number in images.index]
        turns = [int(np.random.default_rng(key).integers(len(TURNS))) for key in keys]
        view = torch.stack(
            [image.rot90(turn, (1, 2)) for image, turn in zip(images.image, turns, strict=True)]
        )
        return Example(view, Target(torch.tensor(turns), images.counted))

    def mirrored(self, output: Tensor) -> Tensor:
        return output[:, [0, 3, 2, 1]]  # left is right

    def target(self, images: LabelledImages) -> Target:
        """Value int64 (N,), 0: as they are, images are not turned."""
        return Target(torch.zeros_like(images.index), images.counted)

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> Turn:
        return Turn(*most_probable(prediction))

    def label(self, sample: Sample) -> Turn:
        return Turn(0)

    def picture(self, photo: np.ndarray, decoded: Turn) -> np.ndarray:
        """The photo with an arrow to its top, and in a corner how it is turned."""
        canvas = photo.copy()
        height, width = photo.shape[:2]
        right, down = (0.3 * min(height, width) * part for part in _TOP[decoded.quarters])
        start, end = (
            (round(width / 2 + sign * right), round(height / 2 + sign * down)) for sign in (-1, 1)
        )
        stroke = max(1, round(min(height, width) / 40))
        for colour, thickness in (((255, 255, 255), 2 * stroke), (_ARROW, stroke)):
            cv2.arrowedLine(canvas, start, end, colour, thickness, cv2.LINE_AA, tipLength=0.3)
        write_in_corner(canvas, TURNS[decoded.quarters], decoded.probability)
        return canvas
