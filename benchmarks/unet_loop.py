"""The training loop of unet-1task against that of segmentation_models.pytorch, on real photos.

    python benchmarks/unet_loop.py --root DIR [--image-size 96] [--batch-size 8] [--seconds 120]

DIR is Oxford-IIIT Pet in its official layout. Both sides have EfficientNet-Lite0, read the same
decoded photos and take a whole step in turn: the next batch, forward and backward pass, update.
Ours is the preset as it is: augmentation, cross-entropy and Dice, fused AdamW with two rates.
Theirs is the usual script: a shuffled DataLoader without augmentation, its own Dice loss,
torch.optim.AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from arguments import parser
from torch.utils.data import DataLoader, TensorDataset

from auxseg import assembly
from auxseg.api import configure
from auxseg.bench.clock import time_in_rounds
from auxseg.bench.networks import network, step_taker
from auxseg.report.tables import to_markdown
from auxseg.training.determinism import deterministic

ENCODER = "tu-tf_efficientnet_lite0"


@deterministic()
def main() -> None:
    options = parser(__doc__, image_size=96, batch_size=8, seconds=120)
    options.add_argument("--root", required=True, help="Oxford-IIIT Pet, the official layout")
    given = options.parse_args()
    config = configure(
        "unet-1task",
        data="oxford-pet",
        root=given.root,
        split="official",
        weights="none",
        image_size=given.image_size,
        batch_size=given.batch_size,
        accelerator="cpu",
    )
    data = assembly.open_data(config)
    device = torch.device("cpu")
    runs = {"auxseg unet-1task": ours(config, data, device), "smp U-Net": theirs(config, data)}
    timings = time_in_rounds(runs, device, given.seconds)
    rows = [["training loop", "ms per step", "±", "of smp's"]]
    for name, timing in timings.items():
        ratio = timing.seconds / timings["smp U-Net"].seconds
        rows.append(
            [name, f"{1e3 * timing.seconds:.0f}", f"{timing.spread / 2:.0%}", f"{ratio:.2f}"]
        )
    rounds = min(timing.rounds for timing in timings.values())
    print(
        f"{given.image_size}×{given.image_size}, batch {given.batch_size}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, smp {smp.__version__}; "
        f"medians of {rounds} rounds\n"
    )
    print(to_markdown(rows))


def ours(config: Any, data: assembly.Data, device: torch.device) -> Callable[[], object]:
    tasks = assembly.make_tasks(config, data.dataset.classes)
    step = step_taker(network(config, tasks, device).train(), config, tasks)
    batches = endless(assembly.make_train_loader(config, data, tasks))
    return lambda: step(next(batches))


def theirs(config: Any, data: assembly.Data) -> Callable[[], object]:
    rows = np.array(data.split.train)
    images = torch.from_numpy(np.array(data.arrays.images[rows])).permute(0, 3, 1, 2)
    masks = torch.from_numpy(np.array(data.arrays.masks[rows])).long()
    loader = DataLoader(
        TensorDataset(images, masks), config.training.batch_size, shuffle=True, drop_last=True
    )
    model = smp.Unet(ENCODER, encoder_weights=None, classes=2).train()
    loss = smp.losses.DiceLoss("multiclass", from_logits=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batches = endless(loader)

    def step() -> None:
        image, mask = next(batches)
        optimizer.zero_grad()
        torch.autograd.backward(loss(model((image.float() / 255 - 0.5) / 0.5), mask))
        optimizer.step()

    return step


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    return chain.from_iterable(repeat(loader))


if __name__ == "__main__":
    main()
