"""What an exported file makes of photos, against its run: masks, and a large photo's cost.

    auxseg export runs/photos --out photos.onnx
    python benchmarks/exported_photos.py runs/photos photos.onnx photos/images

The large photo is the first one, enlarged to 4000 × 3000 pixels.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime

import auxseg
from auxseg.data.decode import read_image
from auxseg.predict.photos import find_images


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=Path, help="the run's export, NAME.onnx")
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=60, help="photos to compare")
    given = parser.parse_args()
    session = onnxruntime.InferenceSession(given.model)
    photos = [read_image(path) for path in find_images([given.photos])[: given.count]]
    large = cv2.resize(photos[0], (4000, 3000), interpolation=cv2.INTER_CUBIC)

    def mask(photo: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(["mask"], {"photo": photo[None]})[0][0]
        return found

    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        mask(large)
        seconds.append(time.perf_counter() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    run = auxseg.load(given.run, "cpu")
    wrong = [float((mask(photo) != run.predict(photo).mask).mean()) for photo in photos]
    print(
        f"{len(wrong)} photos: {np.mean(wrong):.5%} of the pixels differ on average, "
        f"{max(wrong):.4%} at most\n12 megapixels: {median(seconds):.2f} s; {memory:.2f} GiB in all"
    )


if __name__ == "__main__":
    main()
