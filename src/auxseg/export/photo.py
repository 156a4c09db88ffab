"""A network that takes photos as they are, and answers for their own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auxseg.data.fits import Fit, Letterbox
from auxseg.data.padding import PADDING
from auxseg.export.answers import ANSWERS
from auxseg.export.network import ShippedNetwork, Traceable
from auxseg.export.resizing import Side, shrunk, sides


class PhotoNetwork(Traceable):
    """uint8 photos of any size → answers for them, and the raw outputs of the heads.

    Args:
        network: for pictures of S×S pixels.
        fit: how photos become those; one whose pictures show the whole photo.
    """

    INPUT: ClassVar[str] = "photo"

    def __init__(self, network: ShippedNetwork, fit: Fit) -> None:
        super().__init__()
        if not fit.WHOLE or network.size != fit.size:
            raise ValueError("pictures must show the whole photo, and have the network's size")
        self.network, self.fit, self.size = network, fit, fit.size

    @property
    def free(self) -> tuple[int, ...]:
        return (0, 1, 2, 3)

    def example(self) -> Tensor:
        return torch.randint(0, 256, (2, 70, 90, 4), dtype=torch.uint8)

    def forward(self, photo: Tensor) -> dict[str, Tensor]:
        """uint8 (N, H, W, C), grey, grey and alpha, RGB or RGBA (alpha is ignored) → by name:

        answers for the photo (:mod:`auxseg.export.answers`), of those tasks that have one, and each
        task's raw output, (N, K, S, S) or (N, K).
        """
        rows, columns = sides(photo.shape[1], photo.shape[2], self.fit)
        raw: dict[str, Tensor] = self.network(self.picture(photo, rows, columns) / 255)
        return self.answers(raw, rows, columns) | raw

    def answers(self, raw: Mapping[str, Tensor], rows: Side, columns: Side) -> dict[str, Tensor]:
        """The answers for a photo with these sides that follow from its raw outputs."""
        return {
            name: answer(raw[task], rows, columns)
            for task, (name, answer) in ANSWERS.items()
            if task in raw
        }

    def picture(self, photo: Tensor, rows: Side, columns: Side) -> Tensor:
        """What the network is shown, (N, 3, S, S), whole numbers from 0 to 255."""
        dtype = next(self.network.parameters()).dtype
        # Where red, green and blue lie: of 1 or 2 channels in the first. Of more than 4, such as
        # the width of a photo whose channels come first, the lookup fails: ONNX checks no sizes.
        apart = torch.tensor([0, 0, 0, 1, 1])
        # By a tensor of one number: torch 2.11 makes Python's number of one without an axis.
        depth = torch.scalar_tensor(photo.shape[3], dtype=torch.int64)[None]
        channels = torch.arange(3) * apart.index_select(0, depth)
        colours = photo.index_select(3, channels).permute(0, 3, 1, 2).to(dtype)
        found = shrunk(colours, rows, columns)
        if not isinstance(self.fit, Letterbox):
            return found
        padding = torch.tensor(PADDING, dtype=dtype)[:, None, None]
        return torch.where(rows.inside[:, None] & columns.inside, found, padding)
