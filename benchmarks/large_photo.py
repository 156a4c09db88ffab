"""What predicting one large photo by tiles takes: seconds, and the most resident memory.

    python benchmarks/large_photo.py --classes 60 --image-size 512

The network's weights are random: what it finds means nothing, what it costs is the same.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg import api


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="unet-1task")
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--image-size", type=int, default=512, help="of a tile")
    parser.add_argument("--photo", type=int, nargs=2, default=(6000, 4000), metavar=("W", "H"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, run = Path(folder, "photos"), Path(folder, "run")
        large = Path(folder, "large.jpg")
        draw_photos(root, given.classes, given.image_size)
        draw_photo(large, *given.photo)
        api.train(
            given.preset,
            out=run,
            data="folder",
            root=str(root),
            fit="tile",
            image_size=given.image_size,
            weights="none",
            steps=1,
            batch_size=1,
            accelerator="cpu",
        )
        line = ("predict", run, large, "--out", Path(folder, "out"), "--accelerator", "cpu")
        start = time.perf_counter()
        # A process of its own: the most memory of this one is that of training.
        subprocess.run([sys.executable, "-m", "auxseg", *map(str, line)], check=True)
        seconds = time.perf_counter() - start
    print(
        f"{given.photo[0]}×{given.photo[1]} pixels, {given.classes} classes, tiles of "
        f"{given.image_size}: {seconds:.0f} s, {peak_of_children():.2f} GiB resident at most"
    )


def draw_photos(root: Path, classes: int, size: int) -> None:
    """Photos with every class in vertical stripes."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    stripes = np.arange(size) * classes // size
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "images" / f"{number}.png")
        mask = np.tile(stripes.astype(np.uint8), (size, 1))
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    names = "\n".join(f"class {number}" for number in range(classes))
    (root / "classes.txt").write_text(f"{names}\n", encoding="utf-8")


def draw_photo(path: Path, width: int, height: int) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)


def peak_of_children() -> float:
    """The most resident memory of a process that this one started and that has ended, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
