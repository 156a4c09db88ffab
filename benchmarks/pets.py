"""What the simulations on Oxford-IIIT Pet share: their options, folders of some photos, rows."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.base import Dataset
from auxseg.data.datasets.oxford_pet.dataset import OxfordPet


def parser(doc: str) -> argparse.ArgumentParser:
    """Data, output and weights; the first line of the docstring says what it does."""
    made = argparse.ArgumentParser(description=doc.partition("\n")[0])
    made.add_argument("root", type=Path, help="Oxford-IIIT Pet")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--weights", required=True, help="of EfficientNet-Lite0")
    return made


def begin(root: Path, out: Path, table: str, fields: Sequence[str]) -> tuple[OxfordPet, Path, Path]:
    """The official data set, a folder of its test photos, and a table with its header."""
    pets, test, file = OxfordPet(root, "official"), out / "test", out / table
    if not test.exists():
        write_folder(pets, pets.split().test, test)
    if not file.exists():
        append(file, fields)
    return pets, test, file


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
