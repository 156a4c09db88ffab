"""A folder of photos and masks → a network to ship.

    python examples/first_model.py photos --minutes 10 --out runs/photos

``photos`` holds ``images/`` and ``masks/``. The picture ``RUN/held-out.png`` sets held-back photos
beside their true and predicted masks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import auxseg


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--weights", default="imagenet", help="or a file, or none")
    parser.add_argument("--steps", type=int, help="instead of as many as fit into the minutes")
    given = parser.parse_args()

    fitted = auxseg.fit(
        given.photos,
        out=given.out,
        minutes=given.minutes,
        weights=given.weights,
        steps=given.steps,
    )
    print(f"average IoU {fitted.iou}, in {fitted.seconds:.0f} s")
    fitted.show().save(given.out / "held-out.png")

    predictor = auxseg.load(given.out)  # or the exported file, given.out / "model.onnx"
    photo = sorted((given.photos / "images").iterdir())[0]
    found = predictor.predict(photo)
    print(f"{photo.name}: {found.areas}")
    found.show().save(given.out / "first-photo.png")


if __name__ == "__main__":
    main()
