"""How long everything but the steps takes: what is reserved of the time given."""

from __future__ import annotations

import math
from statistics import median

from auxseg.config import Config
from auxseg.data.checks import Report
from auxseg.experiments.fit.plan import Costs
from auxseg.experiments.fit.probe import Probed

#: Seconds for tracing, writing and checking the ONNX file of the default network on a CPU.
EXPORT = 20.0
#: Seconds for drawing the report, and photos that it shows.
REPORT, SHOWN = 3.0, 12
#: A photo's answer needs a forward pass, which is a third of a step; measuring computes in 32 bits,
#: which takes so many times as long as a step in 16.
SIXTEEN = 2.0
#: Seconds for enlarging a class's logits and comparing them, per pixel of the photo.
ENLARGE = 8e-9
#: The share of a tile that the next one does not cover.
APART = 0.75


def costs(report: Report, config: Config, probed: Probed, at: int, read: float) -> Costs:
    """What a probe at one size says of all sizes: time grows with the pixels.

    Args:
        at: the size of the probe.
        read: seconds of reading a photo with its labels.
    """
    sizes = [one.size for one in report.findings if one.size is not None]
    width, height = median(size[0] for size in sizes), median(size[1] for size in sizes)
    measured = masks(report, "test") or masks(report, "val")
    classes = len(report.dataset.mask_classes)
    slower = SIXTEEN if config.training.precision.startswith(("bf16", "16")) else 1.0

    def step(size: int) -> float:
        return probed.step * (size / at) ** 2

    def photo(size: int) -> float:
        """One photo, read, through the network and compared at its own size."""
        tiles = 1
        if config.data.fit == "tile":
            stride = APART * size / config.data.scale
            tiles = math.ceil(width / stride) * math.ceil(height / stride)
        forward = slower * step(size) / config.training.batch_size / 3
        return read + tiles * forward + ENLARGE * classes * width * height

    return Costs(
        step,
        # What starts again is quicker: the photos are decoded.
        before=lambda size: probed.start * (1 if size == at else 2),
        # Measured twice: at the network's size and at the photos' own.
        after=lambda size: EXPORT + REPORT + (2 * measured + SHOWN) * photo(size),
        validation=lambda size: probed.validation * (size / at) ** 2,
    )


def masks(report: Report, part: str) -> int:
    """How many photos of a part have a mask."""
    numbers = getattr(report.split, part)
    return sum(report.findings[number].pixels is not None for number in numbers)


def trained_masks(report: Report, config: Config) -> int:
    """How many masks are trained on: ``--labels`` and ``--limit`` keep fewer."""
    limits = [one for one in (config.data.labels, config.data.limit) if one is not None]
    return min([masks(report, "train"), *limits])
