"""The probability of every class at every pixel, in files of 16 bits a value."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from auxseg.predict.predictor import Prediction

#: What 1.0 is in a PNG file.
PNG_ONE = 65535
FORMATS = ("png", "npz")


def write_plane(number: int) -> Callable[[Prediction, Path], None]:
    """Writes one class's probability as a grey PNG, 0 to 65,535; its text ``class`` is the name."""

    def write(prediction: Prediction, path: Path) -> None:
        assert prediction.probabilities is not None
        plane = np.rint(PNG_ONE * prediction.probabilities[number]).astype(np.uint16)
        text = PngInfo()
        text.add_itxt("class", prediction.classes[number])
        Image.fromarray(plane).save(path, format="png", pnginfo=text)

    return write


def write_arrays(prediction: Prediction, path: Path) -> None:
    """``probabilities``, float16 (K, H, W), and ``classes``, their names, as an ``.npz``.

    A class at a time: all of a large photo's would not fit into memory.
    """
    probabilities = prediction.probabilities
    assert probabilities is not None
    shape = (len(probabilities), *prediction.photo.shape[:2])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("probabilities.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for number in range(len(probabilities)):
                member.write(probabilities[number].astype("<f2").tobytes())
        with archive.open("classes.npy", "w") as member:
            np.lib.format.write_array(member, np.array(prediction.classes), allow_pickle=False)
