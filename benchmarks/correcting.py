"""Does it pay to correct the photos that a network is least certain of? A simulation.

    python benchmarks/correcting.py ../shared/data/oxford-iiit-pet --out correcting
        --weights ../shared/weights/tf_efficientnet_lite0_imagenet_fp16.safetensors

Of the official training photos of Oxford-IIIT Pet 20 have a mask; half of them validate, always the
same. Round by round 10 more get theirs (the truth, as if somebody had drawn it): the 10 that the
network is least certain of, as ``auxseg serve`` ranks them, or 10 drawn at random. After each round
a network is trained anew, from ImageNet's weights, and measured on the official test photos at
their own size. ``OUT/rounds.csv`` has a row a network; rerun to resume.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pets import append, begin, write_folder
from pets import parser as pets_parser

import auxseg
from auxseg.data.base import Dataset
from auxseg.runs.measure import NEW, measure_run
from auxseg.serve.answers import coarse, uncertainty

FIELDS = ("seed", "choice", "round", "masks", "iou")
CHOICES = ("least certain", "random")
FIRST, HELD_OUT, MORE = 20, 10, 10


def main() -> None:
    parser = pets_parser(__doc__ or "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--precision", default="32-true")
    given = parser.parse_args()
    pets, test, file = begin(given.root, given.out, "rounds.csv", FIELDS)
    for seed in range(given.seeds):
        for choice in CHOICES:
            simulate(pets, test, seed, choice, file, given)


def simulate(
    pets: Dataset, test: Path, seed: int, choice: str, file: Path, given: argparse.Namespace
) -> None:
    """All rounds of one way to choose."""
    with file.open(encoding="utf-8", newline="") as opened:
        known = {
            (int(row["seed"]), row["choice"], int(row["round"])): row
            for row in csv.DictReader(opened)
        }
    draw = np.random.default_rng(seed)
    pool = list(pets.split().train)
    first = draw.choice(pool, FIRST, replace=False).tolist()
    val, masked = first[:HELD_OUT], first[HELD_OUT:]
    for round_ in range(given.rounds + 1):
        place = given.out / f"{seed}-{choice.replace(' ', '-')}-{round_}"
        if (seed, choice, round_) not in known or not (place / "run").exists():
            iou = train(pets, pool, masked, val, place, test, seed, given)
            append(file, (seed, choice, round_, len(masked) + len(val), iou))
        bare = [number for number in pool if number not in {*masked, *val}]
        if choice == "random":
            further = draw.choice(bare, MORE, replace=False).tolist()
        else:
            further = least_certain(pets, bare, place / "run")
        masked = [*masked, *further]


def train(
    pets: Dataset,
    pool: Sequence[int],
    masked: Sequence[int],
    val: Sequence[int],
    place: Path,
    test: Path,
    seed: int,
    given: argparse.Namespace,
) -> float:
    shutil.rmtree(place, ignore_errors=True)
    write_folder(pets, sorted([*masked, *val]), place / "photos")
    names = {number: f"{Path(pets.name(number)).stem}.png" for number in pool}
    split = place / "split.csv"
    append(split, ("image", "part"))
    for number in (*masked, *val):
        append(split, (names[number], "val" if number in val else "train"))
    options: dict[str, Any] = {
        "data": "folder",
        "root": place / "photos",
        "split": split,
        "image_size": given.image_size,
        "weights": given.weights,
        "steps": given.steps,
        "validate_every": given.steps // 5,
        "seed": seed,
        "precision": given.precision,
        "channels_last": True,
    }
    auxseg.train("unet-1task", out=place / "run", **options)
    measured = measure_run(place / "run", NEW, root=str(test), native=True)
    iou = measured.metrics["segmentation/iou"]
    assert isinstance(iou, float)
    return iou


def least_certain(pets: Dataset, numbers: Sequence[int], run: Path) -> list[int]:
    predictor = auxseg.load(run)
    found = {
        number: uncertainty(coarse(predictor.predict(pets.read(number).image, probabilities=True)))
        for number in numbers
    }
    return sorted(found, key=lambda number: -found[number])[:MORE]


if __name__ == "__main__":
    main()
