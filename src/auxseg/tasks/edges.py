"""Edges: where Canny's detector finds one (Canny 1986), for every pixel."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import torch

from auxseg.errors import UsageError
from auxseg.tasks.base import MetricInfo
from auxseg.tasks.lines import Lines
from auxseg.types import ClassNames, LabelledImages, Sample, Target

NORMS = ("l2", "l1")
COLOURS = ("grey", "rgb")


class Edges(Lines):
    """Canny's edges, learned as :class:`Lines` are.

    Args:
        low, high: Canny's thresholds on the gradient of 8-bit images; OpenCV's usual values.
        norm: length of the gradient, ``l2`` as in Canny's paper, or ``l1`` (|dx| + |dy|), which is
            OpenCV's default.
        colour: ``grey``, or ``rgb``: at each pixel the channel of the steepest gradient.

    Where two neighbours have the same gradient OpenCV keeps the left one, so the edges of a
    mirrored photo are not quite the mirrored edges: 0.02 % of the edge pixels move with ``l2``,
    0.6 % with ``l1``. Training never sees it: targets are made after the flip.
    """

    NAME = "edges"
    LABEL = None
    WEIGHT = 0.1
    METRICS: ClassVar = {"f1": MetricInfo("edge F1", 1.0)}

    def __init__(
        self,
        classes: ClassNames,
        *,
        low: float = 100.0,
        high: float = 200.0,
        norm: str = "l2",
        colour: str = "grey",
    ) -> None:
        super().__init__(classes)
        if not 0 <= low <= high:
            raise UsageError(
                f"tasks.options.edges: low {low:g} and high {high:g} are not thresholds "
                "(0 ≤ low ≤ high)"
            )
        for key, value, allowed in (("norm", norm, NORMS), ("colour", colour, COLOURS)):
            if value not in allowed:
                raise UsageError(
                    f"tasks.options.edges.{key}: {value!r} is unknown; allowed are "
                    f"{', '.join(allowed)}"
                )
        self.low, self.high, self.norm, self.colour = low, high, norm, colour

    def target(self, images: LabelledImages) -> Target:
        """Value float32 (N, 1, H, W), 1 on edges and 0 elsewhere."""
        edges = np.stack([self.detect(_levels(image)) for image in images.image.cpu().numpy()])
        return Target(torch.from_numpy(edges)[:, None].float(), images.counted)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Canny's edges of uint8 (H, W, 3) RGB: bool (H, W)."""
        if self.colour == "grey":
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found = cv2.Canny(
            np.ascontiguousarray(image), self.low, self.high, L2gradient=self.norm == "l2"
        )
        return np.asarray(found > 0)

    def label(self, sample: Sample) -> np.ndarray:
        return self.detect(sample.image)


def _levels(image: np.ndarray) -> np.ndarray:
    """float32 (3, H, W) in [0, 1] → uint8 (H, W, 3).

    OpenCV rounds as torch does (halves to the even number), in a sixth of the time.
    """
    rows = np.ascontiguousarray(image).reshape(-1, image.shape[-1])
    levels = cv2.convertScaleAbs(rows, alpha=255).reshape(image.shape)
    return np.asarray(cv2.merge(tuple(levels)))
