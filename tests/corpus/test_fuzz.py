"""Whatever bytes a table, a list, a palette or an annotation holds: read, or refused in a line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.config.parsing import read_yaml
from auxseg.data.boxes import box_problem
from auxseg.data.datasets.folder.labels import read_labels
from auxseg.data.datasets.folder.masks import read_classes, read_palette
from auxseg.data.datasets.oxford_pet.dataset import _xml_box
from auxseg.data.datasets.oxford_pet.lists import read_list
from auxseg.data.decode import read_colour_mask, read_image, read_mask
from auxseg.data.kept import read_split
from auxseg.errors import AuxsegError
from auxseg.predict.journal import Journal
from auxseg.runs.checkpoint import is_whole
from auxseg.runs.files import read_rows
from auxseg.runs.weights import read_weights

#: What a user's file may be read by.
READERS: dict[str, Callable[[Path], object]] = {
    "labels.csv": lambda path: read_labels(path, {"a": 0, "a.jpg": 0, "b": 1}),
    "classes.txt": read_classes,
    "palette.txt": read_palette,
    "list.txt": read_list,
    "a.xml": _xml_box,
    "split.csv": read_split,
    "own.yaml": read_yaml,
    "history.csv": read_rows,
    "photo.jpg": read_image,
    "mask.png": read_mask,
    "colours.png": read_colour_mask,
    "best.safetensors": read_weights,
    "last.ckpt": is_whole,
    ".predicted.jsonl": lambda path: Journal(path.parent, "network"),
}

#: Pieces that come close to what each of them expects.
PIECES = st.sampled_from(
    [
        *("image,label,split", "image", "a.jpg", "b", ",", ";", "\t", "\n", "\r\n", "\ufeff", '"'),
        *("train", "val", "0.5", "-1", "nan", "1e999", "255 0 0 cat", "0 0 0", "# note", "\0"),
        *("<annotation><object><bndbox><xmin>1</xmin>", "</annotation>", "<!DOCTYPE a>", "&lt;"),
        *("{", "}", "[", "]", ": ", "- ", "&a", "*a", "!!python/none", "~", "training:\n  lr: 1"),
        *('{"names": ["a"]}', '{"network": "network", "photo": "x"}', "a 1 1 1", "ä照😀", " "),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join).map(lambda text: text.encode())


def tried(reader: Callable[[Path], object], path: Path) -> tuple[object, str | None]:
    """What a file holds, or why it is refused."""
    try:
        return reader(path), None
    except AuxsegError as error:
        return None, str(error)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(TEXTS, st.binary(max_size=300)))
@example(content=b'{"network": "network", "photo": "x"}\n[]\n"names"\n')
def test_any_bytes(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        _, refusal = tried(READERS[name], path)
    if refusal is not None:
        assert "\n" not in refusal
        assert name in refusal


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_photos_with_changed_bytes(kind: str, data: st.DataObject) -> None:
    """A photo in which bytes are others or missing is a photo or is refused; never a crash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.bin"
        pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, kind)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place : place + data.draw(st.integers(1, 9))] = data.draw(st.binary(max_size=9))
        path.write_bytes(content)
        image, refusal = tried(read_image, path)
    if refusal is not None:
        assert "photo.bin" in refusal
    else:
        assert isinstance(image, np.ndarray)
        assert (image.ndim, image.shape[2], image.dtype) == (3, 3, np.uint8)


@given(st.lists(st.floats(), min_size=4, max_size=4))
def test_any_four_numbers_are_a_box_or_not(numbers: list[float]) -> None:
    problem = box_problem(numbers)
    xmin, ymin, xmax, ymax = numbers
    assert (problem is None) == (bool(np.isfinite(numbers).all()) and xmin < xmax and ymin < ymax)
