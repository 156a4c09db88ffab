"""Reading ahead and writing behind: in order, bounded, and past what cannot be read."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from auxseg.errors import DataError, UnreadableImageError
from auxseg.predict import Predictor, files, predict_files
from auxseg.predict.network import Network, Outputs
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames


class Brightness(Network):
    """Class 1 where a picture is bright; counts the pictures that it saw in each call."""

    def __init__(self) -> None:
        self.preset, self.size = "brightness", 8
        self.tasks = {"segmentation": Segmentation(ClassNames(("dark", "bright"), ()))}
        self.batches: list[int] = []

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        self.batches.append(len(images))
        grey = images.mean(dim=1, keepdim=True)
        return Outputs({"segmentation": torch.cat([1 - grey, grey], dim=1)})


def album(folder: Path, count: int) -> list[Path]:
    """Photos black and white in turn, each of a size of its own."""
    folder.mkdir()
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:02}.png")
        pixels = np.full((10 + number, 12, 3), 255 * (number % 2), np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    return paths


def test_a_photo_that_is_given_twice_is_found_once(tmp_path: Path) -> None:
    paths = album(tmp_path / "album", 3)
    around = tmp_path / "album" / ".." / "album" / paths[1].name
    assert files.find_images([paths[1], tmp_path / "album", around]) == [
        paths[1],
        paths[0],
        paths[2],
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_order_is_kept_though_photos_take_unequally_long(
    batch_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = album(tmp_path / "album", 11)
    paths[4].write_text("no photo")
    read = files.read_image

    def slowly(path: Path) -> np.ndarray:
        time.sleep(0.02 * (int(path.stem) % 3 == 0))
        return read(path)

    monkeypatch.setattr(files, "read_image", slowly)
    network = Brightness()
    found = list(predict_files(Predictor(network), paths, tmp_path / "out", batch_size=batch_size))
    assert isinstance(found[4], UnreadableImageError)
    assert str(paths[4]) in str(found[4])
    for number, result in enumerate(found):
        if not isinstance(result, UnreadableImageError):
            stem, prediction = result
            assert (stem, prediction.name) == (f"{number:02}", f"{number:02}.png")
            assert prediction.mask is not None
            assert prediction.mask.shape == (10 + number, 12)
            assert bool((prediction.mask == number % 2).all())
            with Image.open(tmp_path / "out" / f"{stem}_mask.png") as mask:
                np.testing.assert_array_equal(np.array(mask), prediction.mask)
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [entry["files"] for entry in entries] == [f"{n:02}" for n in range(11) if n != 4]
    assert sum(network.batches) == 10
    assert max(network.batches) <= batch_size


def test_no_more_than_three_batches_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = album(tmp_path / "album", 30)
    read, lock = files.read_image, threading.Lock()
    decoded = taken = most = 0

    def counting(path: Path) -> np.ndarray:
        nonlocal decoded, most
        with lock:
            decoded += 1
            most = max(most, decoded - taken)
        return read(path)

    monkeypatch.setattr(files, "read_image", counting)
    for _ in predict_files(Predictor(Brightness()), paths, tmp_path / "out", batch_size=2):
        time.sleep(0.005)  # a slow taker: readers could run away from it
        with lock:
            taken += 1
    assert decoded == 30
    assert 2 < most <= 6


def test_the_next_batch_is_read_while_the_network_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = album(tmp_path / "album", 4)
    second, read = threading.Event(), files.read_image

    def noting(path: Path) -> np.ndarray:
        if path == paths[2]:
            second.set()
        return read(path)

    class Waiting(Brightness):
        def __call__(self, images: Tensor, **options: object) -> Outputs:
            assert second.wait(timeout=10), "the second batch waits for the first"
            return super().__call__(images)

    monkeypatch.setattr(files, "read_image", noting)
    found = predict_files(Predictor(Waiting()), paths, tmp_path / "out", batch_size=2)
    assert len(list(found)) == 4


def test_leaving_early_ends_the_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    results = predict_files(Predictor(Brightness()), album(tmp_path / "a", 9), tmp_path / "out")
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    paths, out = album(tmp_path / "a", 2), tmp_path / "out"
    (out / f"{paths[0].stem}_overlay.png").mkdir(parents=True)  # a folder has the file's name
    with pytest.raises(DataError, match=f"{paths[0].stem}_overlay.png: cannot be written"):
        list(predict_files(Predictor(Brightness()), paths, out))
    assert not list(out.glob(".*"))  # no half of a file
