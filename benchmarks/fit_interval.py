"""Whether the interval that ``auxseg fit`` states holds the truth: few masks, drawn many times.

    python benchmarks/fit_interval.py ../shared/data/oxford-iiit-pet --out intervals
        --weights ../shared/weights/tf_efficientnet_lite0_imagenet_fp16.safetensors

Each draw is a folder of 20 photos and masks out of the official training photos of Oxford-IIIT Pet,
which ``auxseg fit`` splits by itself; the truth is the same network's IoU on the official test
photos at their own size, which none of the draws holds. ``OUT/draws.csv`` has a row a draw; rerun
to resume.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import auxseg
from auxseg.data.base import Dataset
from auxseg.data.datasets.oxford_pet.dataset import OxfordPet
from auxseg.runs.measure import NEW, measure_run

FIELDS = ("draw", "value", "low", "high", "truth", "held")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("root", type=Path, help="Oxford-IIIT Pet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", required=True, help="of EfficientNet-Lite0")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--masks", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    pets = OxfordPet(given.root, "official")
    split = pets.split()
    test = given.out / "test"
    if not test.exists():
        write_folder(pets, split.test, test)
    file = given.out / "draws.csv"
    if not file.exists():
        append(file, FIELDS)
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
        truth = measure_run(place / "run", NEW, root=test, native=True).metrics["segmentation/iou"]
        stated = fitted.iou
        assert isinstance(truth, float)
        # Where no interval is stated, nothing is claimed, which does not count as held.
        held = math.isfinite(stated.low) and stated.low <= truth <= stated.high
        append(file, (draw, stated.value, stated.low, stated.high, truth, int(held)))
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    print(f"{sum(int(row['held']) for row in rows)} of {len(rows)} intervals hold the truth")


def write_folder(dataset: Dataset, numbers: Sequence[int], folder: Path) -> None:
    """Images and masks in the folder layout; whole, or not there under that name."""
    made = folder.with_name(folder.name + ".making")
    for kind in ("images", "masks"):
        (made / kind).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        photo = dataset.read(number)
        name = f"{Path(dataset.name(number)).stem}.png"
        Image.fromarray(photo.image).save(made / "images" / name)
        Image.fromarray(np.asarray(photo.mask)).save(made / "masks" / name)
    made.rename(folder)


def append(file: Path, row: Sequence[object]) -> None:
    with file.open("a", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerow(row)


if __name__ == "__main__":
    main()
