"""Whether the interval that ``auxseg fit`` states holds the truth: few masks, drawn many times.

    python benchmarks/fit_interval.py ../shared/data/oxford-iiit-pet --out intervals
        --weights ../shared/weights/tf_efficientnet_lite0_imagenet_fp16.safetensors

Each draw is a folder of 20 photos and masks out of the official training photos of Oxford-IIIT Pet,
which ``auxseg fit`` splits by itself; the truth is the same network's IoU on the official test
photos at their own size, which none of the draws holds. ``OUT/draws.csv`` has a row a draw; rerun
to resume.
"""

from __future__ import annotations

import csv
import math

import numpy as np
from pets import append, begin, write_folder
from pets import parser as pets_parser

import auxseg
from auxseg.runs.measure import NEW, measure_run

FIELDS = ("draw", "value", "low", "high", "truth", "held")


def main() -> None:
    parser = pets_parser(__doc__ or "")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--masks", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    pets, test, file = begin(given.root, given.out, "draws.csv", FIELDS)
    split = pets.split()
    with file.open(encoding="utf-8", newline="") as opened:
        done = {int(row["draw"]) for row in csv.DictReader(opened)}
    for draw in range(given.draws):
        if draw in done:
            continue
        place = given.out / f"draw-{draw}"
        chosen = np.random.default_rng(draw).choice(split.train, given.masks, replace=False)
        if not (place / "photos").exists():
            write_folder(pets, sorted(map(int, chosen)), place / "photos")
        fitted = auxseg.fit(
            place / "photos", out=place / "run", minutes=given.minutes, weights=given.weights
        )
        truth = measure_run(place / "run", NEW, root=str(test), native=True).metrics[
            "segmentation/iou"
        ]
        stated = fitted.iou
        assert isinstance(truth, float)
        # Where no interval is stated, nothing is claimed, which does not count as held.
        held = math.isfinite(stated.low) and stated.low <= truth <= stated.high
        append(file, (draw, stated.value, stated.low, stated.high, truth, int(held)))
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    print(f"{sum(int(row['held']) for row in rows)} of {len(rows)} intervals hold the truth")


if __name__ == "__main__":
    main()
