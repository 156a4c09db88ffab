"""unet-1task and segmentation_models.pytorch's U-Net in as much time, on real photos.

    python benchmarks/unet_accuracy.py --root DIR --weights FILE [--image-size 224] [--epochs 10]
        [--steps 300,600] [--seed 0]

DIR is Oxford-IIIT Pet in its official layout, FILE has EfficientNet-Lite0's ImageNet weights. The
other side is the usual script: every photo once an epoch, no augmentation, its own Dice loss,
torch.optim.AdamW at 1e-3. Then ours trains once for each number of steps, with the recipe of the
preset. Both are validated after every pass over the photos, and the best one is kept. The seconds
of both are those of training and validation; decoding the photos and reading the test part are not
in them. Rows are printed as they come. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import copy
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch.utils.data import DataLoader, TensorDataset

import auxseg
from auxseg import assembly
from auxseg.models.weights import read_state
from auxseg.report.tables import to_markdown
from auxseg.runs.measure import evaluate
from auxseg.types import IGNORE_INDEX

ENCODER = "tu-tf_efficientnet_lite0"
BATCH = 8
CLASSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", required=True, help="Oxford-IIIT Pet, the official layout")
    parser.add_argument("--weights", type=Path, required=True, help="of EfficientNet-Lite0")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=10, help="of smp's U-Net")
    parser.add_argument("--steps", default="300,600", help="of unet-1task, one run each")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    settings = {
        "data": "oxford-pet",
        "root": given.root,
        "split": "official",
        "weights": str(given.weights),
        "image_size": given.image_size,
        "batch_size": BATCH,
        "seed": given.seed,
        "accelerator": "cpu",
    }
    rows = [["U-Net", "trained", "seconds", "of smp's", "validation IoU", "test IoU"]]

    def add(*row: str) -> None:
        rows.append(list(row))
        print(*row, sep="  ", flush=True)

    data = assembly.open_data(auxseg.configure("unet-1task", **settings))
    seconds, val, test = theirs(data, given.seed, given.weights, given.epochs)
    add("smp", f"{given.epochs} epochs", *_figures(seconds, seconds, val, test))
    settings["validate_every"] = -(-len(data.split.train) // BATCH)
    for steps in map(int, given.steps.split(",")):
        add("auxseg", f"{steps} steps", *_figures(*ours(settings, steps, seconds)))
    print(
        f"{given.image_size}×{given.image_size}, batch {BATCH}, seed {given.seed}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, smp {smp.__version__}\n"
    )
    print(to_markdown(rows))


def ours(settings: dict[str, Any], steps: int, others: float) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = auxseg.train("unet-1task", out=Path(folder) / "run", steps=steps, **settings)
        with (run.run_dir / "history.csv").open(newline="", encoding="utf-8") as file:
            seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
        test = evaluate(run.run_dir, "test")
    val, found = (metrics["segmentation/iou"] for metrics in (run.metrics, test))
    assert isinstance(val, float)
    assert isinstance(found, float)
    return seconds, others, val, found


def theirs(
    data: assembly.Data, seed: int, weights: Path, epochs: int
) -> tuple[float, float, float]:
    torch.manual_seed(seed)
    model = smp.Unet(ENCODER, encoder_weights=None, classes=CLASSES)
    # What is missing there is the classifier, which no U-Net has.
    model.encoder.model.load_state_dict(read_state(weights), strict=False)
    loss = smp.losses.DiceLoss("multiclass", from_logits=True, ignore_index=IGNORE_INDEX)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train = DataLoader(_photos(data, data.split.train), BATCH, shuffle=True, drop_last=True)
    start = time.perf_counter()
    best, kept = -1.0, model.state_dict()
    for _ in range(epochs):
        model.train()
        for images, masks in train:
            optimizer.zero_grad()
            torch.autograd.backward(loss(model(_normalised(images)), masks.long()))
            optimizer.step()
        found = iou(model, _photos(data, data.split.val))
        if found > best:
            best, kept = found, copy.deepcopy(model.state_dict())
    seconds = time.perf_counter() - start
    model.load_state_dict(kept)
    return seconds, best, iou(model, _photos(data, data.split.test))


@torch.no_grad()
def iou(model: torch.nn.Module, photos: TensorDataset) -> float:
    """Mean over the classes of the IoU of all labelled pixels together."""
    model.eval()
    counts = np.zeros((CLASSES, CLASSES))
    for images, masks in DataLoader(photos, BATCH):
        found = model(_normalised(images)).argmax(1)
        known = masks != IGNORE_INDEX
        np.add.at(counts, (masks[known].numpy(), found[known].numpy()), 1)
    inside = counts.diagonal()
    return float((inside / (counts.sum(0) + counts.sum(1) - inside)).mean())


def _photos(data: assembly.Data, indices: Any) -> TensorDataset:
    rows = np.array(indices)
    images = torch.from_numpy(np.array(data.arrays.images[rows])).permute(0, 3, 1, 2)
    return TensorDataset(images, torch.from_numpy(np.array(data.arrays.masks[rows])))


def _normalised(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - 0.5) / 0.5


def _figures(seconds: float, others: float, val: float, test: float) -> list[str]:
    return [f"{seconds:.0f}", f"{seconds / others:.2f}", f"{val:.3f}", f"{test:.3f}"]


if __name__ == "__main__":
    main()
