"""The paper's Table 1: its figures, for printing beside ours.

Pushilal et al., *Enhancing Multi-Task Learning for Image Segmentation using soft-attention blocks
and self-supervised auxiliary tasks*: Oxford-IIIT Pet, 738 dogs-only test images, one run each.
"""

from __future__ import annotations

#: Row order of the table: metric keys as in the metrics files.
ROWS = (
    "segmentation/iou",
    "segmentation/weighted_iou",
    "segmentation/f1",
    "classification/accuracy",
    "bbox/l2",
)

_FIGURES: dict[str, tuple[float | None, ...]] = {
    "segnet-1task-scratch": (0.775, 0.782, 0.853, None, None),
    "segnet-1task": (0.869, 0.869, 0.921, None, None),
    "segnet-3task": (0.866, 0.870, 0.919, 0.423, 463.4),
    "mtan-3task": (0.874, 0.879, 0.924, 0.796, 353.9),
    "mtan-no-bbox": (0.864, 0.868, 0.918, 0.786, None),
    "mtan-no-class": (0.876, 0.880, 0.926, None, 347.3),
    "mtan-canny": (0.865, 0.871, 0.918, 0.728, 376.1),
    "mtan-noisy": (0.824, 0.829, 0.889, 0.327, 1345.0),
    "mtan-color": (0.847, 0.852, 0.906, 0.746, 444.1),
}


def figure(preset: str, metric: str) -> float | None:
    """The paper's value; None where it gives none."""
    values = _FIGURES.get(preset)
    return None if values is None else values[ROWS.index(metric)]
