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

from auxseg.data.fits import Stretch
from auxseg.errors import DataError, UnreadableImageError, UsageError
from auxseg.predict import Predictor, files, find_images, predict_files
from auxseg.predict.network import Network, Outputs
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames


class Brightness(Network):
    """Class 1 where a picture is bright; counts the pictures that it saw in each call."""

    def __init__(self) -> None:
        self.preset, self.fit = "brightness", Stretch(8)
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
    assert find_images([paths[1], tmp_path / "album", around]) == [
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
    list(predict_files(Predictor(Brightness()), paths, out))
    (out / f"{paths[0].stem}_overlay.png").unlink()
    (out / f"{paths[0].stem}_overlay.png").mkdir()  # a folder has the file's name
    with pytest.raises(DataError, match=f"{paths[0].stem}_overlay.png: cannot be written"):
        list(predict_files(Predictor(Brightness()), paths, out))
    assert not list(out.glob(".*.tmp"))  # no half of a file


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("."))


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """As after a kill: some are written, one is only half noted, and one has changed since."""
    paths, out = album(tmp_path / "album", 6), tmp_path / "out"
    network = Brightness()
    for number, _ in enumerate(predict_files(Predictor(network), paths, out, batch_size=1)):
        if number == 3:
            break
    journal = out / ".predicted.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert not (out / "predictions.json").exists()
    Image.fromarray(np.full((20, 20, 3), 255, np.uint8)).save(paths[0])
    network.batches.clear()
    found = list(predict_files(Predictor(network), paths, out, batch_size=1))
    # Of the four, one has changed, and the last one's note was torn.
    assert [stem for stem, _ in found] == ["00", "03", "04", "05"]  # type: ignore[misc]
    assert sum(network.batches) == 4
    entries = json.loads((out / "predictions.json").read_text())
    assert [entry["files"] for entry in entries] == [path.stem for path in paths]
    for number, path in enumerate(paths):
        expected = 1 if number == 0 else number % 2
        mask = np.array(Image.open(out / f"{path.stem}_mask.png"))
        assert (mask == expected).all()
        assert mask.shape == np.array(Image.open(path)).shape[:2]


def test_a_finished_folder_is_left_as_it_is(tmp_path: Path) -> None:
    paths, out = album(tmp_path / "album", 3), tmp_path / "out"
    list(predict_files(Predictor(Brightness()), paths, out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert list(predict_files(Predictor(Brightness()), paths, out)) == []
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("harm", ["gone", "empty"])
def test_a_mask_that_is_gone_or_empty_is_made_again(harm: str, tmp_path: Path) -> None:
    """A machine that lost its power may have left its name alone."""
    paths, out = album(tmp_path / "album", 3), tmp_path / "out"
    list(predict_files(Predictor(Brightness()), paths, out))
    whole = (out / "01_mask.png").read_bytes()
    (out / "01_mask.png").unlink() if harm == "gone" else (out / "01_mask.png").write_bytes(b"")
    assert len(list(predict_files(Predictor(Brightness()), paths, out))) == 1
    assert (out / "01_mask.png").read_bytes() == whole


def test_another_network_predicts_anew(tmp_path: Path) -> None:
    paths, out = album(tmp_path / "album", 2), tmp_path / "out"
    list(predict_files(Predictor(Brightness()), paths, out))
    other = Brightness()
    other.checksum = "other"
    assert len(list(predict_files(Predictor(other), paths, out))) == 2


def test_shards_together_are_the_whole(tmp_path: Path) -> None:
    paths = album(tmp_path / "album", 7)
    list(predict_files(Predictor(Brightness()), paths, tmp_path / "whole"))
    parts = []
    for number in (2, 0, 1):
        network = Brightness()
        list(predict_files(Predictor(network), paths, tmp_path / "parts", shard=(number, 3)))
        parts.append(sum(network.batches))
    assert parts == [2, 3, 2]
    assert names(tmp_path / "parts") == names(tmp_path / "whole")
    for name in names(tmp_path / "whole"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("kind", ["mask", "overlay"])
def test_files_of_others_are_not_overwritten(kind: str, tmp_path: Path) -> None:
    paths = album(tmp_path / "album", 3)
    own = tmp_path / "album" / f"02_{kind}.png"
    own.write_bytes(b"drawn by hand")
    with pytest.raises(UsageError, match=rf"02_{kind}\.png: is there already"):
        list(predict_files(Predictor(Brightness()), paths, tmp_path / "album"))
    assert own.read_bytes() == b"drawn by hand"
    assert not (tmp_path / "album" / "00_mask.png").exists()


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    paths = album(tmp_path / "album", 3)
    first = predict_files(Predictor(Brightness()), paths, tmp_path / "out", batch_size=1)
    next(first)
    with pytest.raises(UsageError, match="another process is writing into it"):
        next(predict_files(Predictor(Brightness()), paths, tmp_path / "out"))
    assert len(list(first)) == 2


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ((0, 1), (1, 3), "--shards: 3, but .* without --shards"),
        ((1, 3), (0, 1), "--shards: 1, but .* with --shards 3"),
        ((1, 3), (0, 2), "--shards: 2, but .* with --shards 3"),
        ((1, 3), (1, 3), "another process is writing into it"),
    ],
)
def test_processes_at_one_folder_take_as_many_shards(
    one: tuple[int, int], other: tuple[int, int], said: str, tmp_path: Path
) -> None:
    paths, out = album(tmp_path / "album", 6), tmp_path / "out"
    first = predict_files(Predictor(Brightness()), paths, out, batch_size=1, shard=one)
    next(first)
    with pytest.raises(UsageError, match=said):
        next(predict_files(Predictor(Brightness()), paths, out, shard=other))
    again = predict_files(Predictor(Brightness()), paths, out, shard=(2, 3))
    if one == (1, 3):
        next(again)
    list(first)
    again.close()
    list(predict_files(Predictor(Brightness()), paths, out, shard=other))  # when it has ended


def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path) -> None:
    album(tmp_path / "album", 2)
    (tmp_path / "album" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "album" / "notes.md").write_text("mine")
    album(tmp_path / "album" / "more", 3)
    told: list[str] = []
    assert len(find_images([tmp_path / "album"], told.append)) == 2
    below, unread = told
    assert "more/ (3)" in below
    assert "IMG_1.HEIC (HEIC)" in unread


def test_a_list_of_photos(tmp_path: Path) -> None:
    paths = album(tmp_path / "album", 3)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{paths[2]}\n\n{paths[0]}\n", encoding="utf-8-sig")
    assert find_images([listed]) == [paths[2], paths[0]]
    listed.write_text(f"{paths[2]}\n{tmp_path}/gone.png\n")
    with pytest.raises(UsageError, match=r"list\.txt line 2: .*gone\.png"):
        find_images([listed])
