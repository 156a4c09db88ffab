"""An exported network without auxseg: NumPy, Pillow and onnxruntime.

    auxseg export runs/photos --out photos.onnx
    python examples/onnx_alone.py photos.onnx cat.jpg --out cat_mask.png
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
    photo = ImageOps.exif_transpose(Image.open(given.photo))
    if photo.mode.startswith("I"):  # 16 bits of grey, which convert() would clip
        photo = Image.fromarray((np.asarray(photo) >> 8).astype(np.uint8))
    photo = photo.convert("RGB")
    (masks,) = session.run(["mask"], {"photo": np.asarray(photo)[None]})
    Image.fromarray(masks[0]).save(given.out)

    about = json.loads(session.get_modelmeta().custom_metadata_map["auxseg"])
    for number, name in enumerate(about["classes"]["mask"]):
        print(f"{name}: {(masks[0] == number).mean():.1%}")


if __name__ == "__main__":
    main()
