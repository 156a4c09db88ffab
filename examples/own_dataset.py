"""Your own PyTorch ``Dataset``, trained on as a folder of photos would be.

    python examples/own_dataset.py --out runs/discs

Here the dataset draws discs and squares. Yours may read a database, slices of a volume, a video.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

import auxseg

SIDE = 64


class Discs(Dataset[dict[str, Any]]):
    """A bright disc or square on noise; item ``n`` is the same at every look."""

    def __init__(self, count: int, first: int = 0) -> None:
        self.count, self.first = count, first

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, n: int) -> dict[str, Any]:
        if n >= self.count:
            raise IndexError(n)
        draw = torch.Generator().manual_seed(self.first + n)
        x, y, radius = (
            int(torch.randint(a, b, (), generator=draw)) for a, b in ((20, 44), (20, 44), (8, 16))
        )
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        square = bool(n % 2)
        across, down = (columns - x).abs(), (rows - y).abs()
        inside = (
            torch.maximum(across, down) <= radius if square else (across**2 + down**2 <= radius**2)
        )
        image = 0.4 * torch.rand(3, SIDE, SIDE, generator=draw)
        image[:, inside] += 0.5
        return {
            "image": image,  # float, (3, H, W), in [0, 1]
            "mask": inside.long(),  # (H, W), class indices
            "label": int(square),  # of the whole image
            "box": (x - radius, y - radius, x + radius + 1, y + radius + 1),  # in pixels
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--weights", default="imagenet", help="or a file, or none")
    given = parser.parse_args()

    data = auxseg.TorchData(
        train=Discs(given.count),
        val=Discs(40, first=10_000),
        mask_classes=("background", "thing"),
        label_classes=("disc", "square"),
    )
    result = auxseg.train(
        "unet-3task",
        data=data,
        image_size=SIDE,
        weights=given.weights,
        steps=given.steps,
        out=given.out,
    )
    print(f"IoU {result.metrics['segmentation/iou']:.3f}")
    result.show().save(given.out / "validation.png")


if __name__ == "__main__":
    main()
