"""From raw outputs to what a user wants, in the graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from auxseg.export.resizing import Side
from auxseg.tasks.bbox import BoundingBox, to_box
from auxseg.tasks.classification import Classification
from auxseg.tasks.segmentation import Segmentation


def mask(logits: Tensor, rows: Side, columns: Side) -> Tensor:
    """The class of every pixel of the photo, uint8 (N, H, W): the largest of its enlarged logits.

    One class after the other, so that memory does not grow with classes times pixels.
    """
    above, below, down = rows.between()
    left, right, across = columns.between()
    wide = _mixed(logits.index_select(3, left), logits.index_select(3, right), across)

    def enlarged(number: int) -> Tensor:
        plane = wide[:, number]
        return _mixed(plane.index_select(1, above), plane.index_select(1, below), down[:, None])

    best = enlarged(0)
    found = torch.zeros_like(best, dtype=torch.uint8)
    for number in range(1, logits.shape[1]):
        plane = enlarged(number)
        found = torch.where(plane > best, torch.tensor(number, dtype=torch.uint8), found)
        best = torch.maximum(plane, best)
    return found


def _mixed(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + share.to(first.dtype) * (second - first)


def probabilities(logits: Tensor, rows: Side, columns: Side) -> Tensor:
    """Of each class of the photo, float32 (N, C); their sum is 1."""
    return logits.softmax(dim=1)


def box(output: Tensor, rows: Side, columns: Side) -> Tensor:
    """xyxy in the photo's pixels, inside the photo, float32 (N, 4); xmin ≤ xmax, ymin ≤ ymax."""
    corners = to_box(output).reshape(-1, 2, 2)
    start, part, whole = (
        torch.stack([getattr(side, name) for side in (columns, rows)]).to(output.dtype)
        for name in ("start", "part", "whole")
    )
    inside = ((corners * rows.size - start) / part).clamp(0, 1) * whole
    return torch.cat([inside.amin(dim=1), inside.amax(dim=1)], dim=1)


#: Task → the name of its answer, and how it follows from the raw output.
ANSWERS: dict[str, tuple[str, Callable[[Tensor, Side, Side], Tensor]]] = {
    Segmentation.NAME: ("mask", mask),
    Classification.NAME: ("probabilities", probabilities),
    BoundingBox.NAME: ("box", box),
}
