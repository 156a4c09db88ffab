"""An exported network without auxseg: NumPy, Pillow and onnxruntime.

    auxseg export runs/photos --out photos.onnx
    python examples/onnx_alone.py photos.onnx cat.jpg --out cat_mask.png

For runs that stretch photos (``fit`` in the metadata is ``stretch``, the default).
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("photo")
    parser.add_argument("--out", required=True, help="the mask: class numbers, as a PNG")
    given = parser.parse_args()

    session = onnxruntime.InferenceSession(given.model)
    about = json.loads(session.get_modelmeta().custom_metadata_map["auxseg"])
    size = about["image_size"]
    photo = ImageOps.exif_transpose(Image.open(given.photo)).convert("RGB")
    # The average of an area where the photo shrinks, as in training.
    shrinks = photo.width * photo.height > size**2
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    image = np.asarray(photo.resize((size, size), how), np.float32).transpose(2, 0, 1)[None] / 255
    (logits,) = session.run(["segmentation"], {"image": image})
    # The logits are enlarged, not the mask: its edges stay smooth.
    large = [
        np.asarray(Image.fromarray(one).resize(photo.size, Image.Resampling.BILINEAR))
        for one in logits[0]
    ]
    mask = np.argmax(large, axis=0).astype(np.uint8)
    Image.fromarray(mask).save(given.out)
    for number, name in enumerate(about["classes"]["mask"]):
        print(f"{name}: {(mask == number).mean():.1%}")


if __name__ == "__main__":
    main()
