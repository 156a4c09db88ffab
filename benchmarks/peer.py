"""Our networks against those of lorenmt/mtan, each with either's optimiser.

    python benchmarks/peer.py CHECKOUT [--image-size 96] [--batch-size 2]

A training step in float32, in rounds, in one process.
"""

from __future__ import annotations

from pathlib import Path

import torch
from arguments import parser

from auxseg.api import configure
from auxseg.bench.clock import time_in_rounds
from auxseg.bench.peers.base import fused, network_step
from auxseg.bench.peers.mtan import mtan, unfused
from auxseg.report.tables import to_markdown

OPTIMISERS = {"Adam": unfused, "fused AdamW": fused}


def main() -> None:
    options = parser(__doc__, image_size=96, batch_size=2, seconds=90)
    options.add_argument("checkout", type=Path, help="the folder of github.com/lorenmt/mtan")
    given = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    image = torch.rand(given.batch_size, 3, given.image_size, given.image_size, device=device)
    configs = {"segnet-1task": configure("segnet-1task", weights="none")}
    runs = {}
    for name, make in OPTIMISERS.items():
        for title, pair in mtan(given.checkout, configs).items():
            for side, network in (("ours", pair.ours), ("theirs", pair.theirs)):
                runs[title, name, side] = network_step(network.to(device), image, make).run
    timings = time_in_rounds(runs, device, given.seconds)
    rows = [["training step", "optimiser of both", "ours, ms", "theirs, ms", "times as fast"]]
    for title, name, side in runs:
        if side == "ours":
            ours, theirs = (timings[title, name, one].seconds for one in ("ours", "theirs"))
            times = [f"{1e3 * ours:.0f}", f"{1e3 * theirs:.0f}", f"{theirs / ours:.2f}"]
            rows.append([title, name, *times])
    rounds = min(timing.rounds for timing in timings.values())
    print(
        f"{given.image_size}×{given.image_size}, batch {given.batch_size}, {device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; medians of {rounds} "
        "rounds\n"
    )
    print(to_markdown(rows))


if __name__ == "__main__":
    main()
