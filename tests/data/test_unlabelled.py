"""A folder of images without labels: found wherever they lie, and nothing else is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data import DATASETS
from auxseg.data.cache import decoded
from auxseg.data.datasets.unlabelled import Unlabelled
from auxseg.data.fits import Stretch
from auxseg.errors import DataError


def save(path: Path, level: int = 90, size: tuple[int, int] = (12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def names(source: Unlabelled) -> list[str]:
    return [source.name(index) for index in range(len(source))]


def test_images_lie_in_the_folder_itself(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.png", "c.bmp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    save(tmp_path / "deeper" / "d.png")
    source = Unlabelled(tmp_path)
    assert names(source) == ["a.png", "b.jpg", "c.bmp"]
    assert source.sources(0) == (tmp_path / "a.png",)


def test_or_in_its_subfolder_images(tmp_path: Path) -> None:
    """As in the folder layout, whose masks and table are not read."""
    save(tmp_path / "images" / "a.png")
    save(tmp_path / "masks" / "a.png")
    save(tmp_path / "beside.png")
    (tmp_path / "labels.csv").write_text("image,label\na.png,cat\n")
    source = Unlabelled(tmp_path)
    assert names(source) == ["a.png"]
    sample = source.read(0)
    assert (sample.mask, sample.label, sample.box) == (None, None, None)


def test_an_image_is_read_at_any_size(tmp_path: Path) -> None:
    save(tmp_path / "a.png", level=70)
    source = Unlabelled(tmp_path)
    assert source.read(0).image.shape == (8, 12, 3)
    small = source.read(0, size=6).image
    assert small.shape == (6, 6, 3)
    assert bool((small == 70).all())


def test_every_image_is_for_training(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    split = Unlabelled(tmp_path).split()
    assert (split.train, split.val, split.test) == ((0, 1), (), ())


def test_decoded_images_have_no_label(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "in" / f"{number}.png", level=60 * number)
    arrays = decoded(Unlabelled(tmp_path / "in"), Stretch(8), tmp_path / "cache")
    assert [int(image.max()) for image in arrays.images] == [0, 60, 120]
    assert not arrays.has_mask.any()
    assert bool((arrays.labels == -1).all())
    assert bool(np.isnan(arrays.boxes).all())


def test_a_broken_image_is_left_out_and_named(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image at all")
    arrays = decoded(Unlabelled(tmp_path / "in"), Stretch(8), tmp_path / "cache")
    assert arrays.readable.tolist() == [True, False]
    (problem,) = arrays.problems
    assert str(tmp_path / "in" / "b.png") in problem


def one_line(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        Unlabelled(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = one_line(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "--unlabelled" in message


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    assert "a.png" in one_line(save(tmp_path / "a.png"))


def test_a_folder_without_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    message = one_line(tmp_path)
    assert str(tmp_path) in message
    assert ".jpg" in message
    (tmp_path / "images").mkdir()
    assert str(tmp_path / "images") in one_line(tmp_path)


def test_it_is_no_data_set_to_train_on() -> None:
    assert Unlabelled.NAME not in DATASETS


def test_real_photos(shared: Path) -> None:
    folder = shared / "data" / "pets-unlabelled-192"
    if not folder.is_dir():
        pytest.skip(f"no unlabelled images: {folder.name} is missing in the shared folder")
    source = Unlabelled(folder)
    assert len(source) == 6678
    assert source.read(0).image.shape == (192, 192, 3)
