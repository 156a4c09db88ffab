"""A multi-task network as a plain ``nn.Module`` in your own training loop.

    python examples/own_loop.py --steps 200

MTAN with U-Net's decoder learns masks and the images' classes together. Loss, optimiser and data
are yours; the network normalises and pads by itself.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from own_dataset import Discs
from torch.nn import functional
from torch.utils.data import DataLoader, default_collate

import auxseg

#: The first of the images that are measured on: training never gets that far.
NEVER_SEEN = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--weights", default="none", help="imagenet, or a file of weights")
    given = parser.parse_args()

    torch.manual_seed(0)  # the order of the images; the weights are drawn with seed=
    net = auxseg.network(
        "mtan-unet-3task",
        names=("segmentation", "classification"),  # without the box
        mask_classes=("background", "thing"),
        label_classes=("disc", "square"),
        weights=given.weights,
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    loader = DataLoader(Discs(8 * given.steps), batch_size=8, shuffle=True, collate_fn=_collate)
    net.train()
    for step, batch in enumerate(loader, start=1):
        outputs = net(batch["image"])
        losses = {
            "segmentation": functional.cross_entropy(outputs["segmentation"], batch["mask"]),
            "classification": functional.cross_entropy(outputs["classification"], batch["label"]),
        }
        optimiser.zero_grad()
        torch.autograd.backward(list(losses.values()))
        optimiser.step()
        if step % 20 == 0 or step == given.steps:
            print(f"step {step}", {name: round(loss.item(), 3) for name, loss in losses.items()})

    net.eval()
    with torch.inference_mode():
        batch = _collate([Discs(32, first=NEVER_SEEN)[n] for n in range(32)])
        outputs = net(batch["image"], ["segmentation"])  # what only others need is not computed
    found = outputs["segmentation"].argmax(1)
    both = ((found == 1) & (batch["mask"] == 1)).sum() / ((found == 1) | (batch["mask"] == 1)).sum()
    print(f"IoU of the things in 32 new images: {float(both):.3f}")


def _collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    kept = [{key: item[key] for key in ("image", "mask", "label")} for item in items]
    batch: dict[str, Any] = default_collate(kept)
    return batch


if __name__ == "__main__":
    main()
