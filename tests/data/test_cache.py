"""The cache of decoded images: right values, built once, whole or not at all."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.data import cache
from auxseg.data.base import Dataset, Split
from auxseg.data.cache import DecodedArrays, cache_key, decoded
from auxseg.data.fits import Stretch
from auxseg.errors import DataError, UnreadableImageError
from auxseg.types import IGNORE_INDEX, NO_LABEL, Sample
from planted import Planted

SIZE = 16
SPAWN = multiprocessing.get_context("spawn")


def nothing_special(index: int) -> None:
    """What happens before image ``index`` is read: nothing."""


class Files(Dataset):
    """Text files ``NUMBER.txt``; the pixels follow from number and size of the file's text."""

    NAME = "files"
    SPLITS = ("all",)
    mask_classes = ("background", "animal")
    label_classes = ("cat", "dog")

    def __init__(
        self, root: Path, before: Callable[[int], None] = nothing_special, option: str = ""
    ) -> None:
        self.paths = sorted(root.glob("*.txt"))
        self.before, self.option = before, option
        self.reads = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return self.paths[index].name

    def sources(self, index: int) -> tuple[Path, ...]:
        return (self.paths[index], self.paths[index].with_suffix(".xml"))

    def read(self, index: int, size: int | None = None) -> Sample:
        with self._lock:
            self.reads += 1
        self.before(index)
        side = size or 32
        text = self.paths[index].read_text()
        random = np.random.default_rng((index, len(text)))
        return Sample(
            image=random.integers(0, 256, (side, side, 3), dtype=np.uint8),
            mask=random.integers(0, 2, (side, side), dtype=np.uint8) if index % 2 == 0 else None,
            label=index % 2 if index % 3 else None,
            box=random.random(4, dtype=np.float32) if index % 4 == 1 else None,
        )

    def split(self) -> Split:
        return Split(tuple(range(len(self))), (), ())

    def options_key(self) -> str:
        return self.option


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:03}.txt").write_text("x" * number)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def contents(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "decoded").iterdir())


def assert_equals_read(arrays: DecodedArrays, root: Path) -> None:
    reference = Files(root)
    assert len(arrays.images) == len(reference)
    for index in range(len(reference)):
        sample = reference.read(index, SIZE)
        np.testing.assert_array_equal(arrays.images[index], sample.image)
        mask = np.full((SIZE, SIZE), IGNORE_INDEX) if sample.mask is None else sample.mask
        np.testing.assert_array_equal(arrays.masks[index], mask)
        assert arrays.labels[index] == (NO_LABEL if sample.label is None else sample.label)
        box = np.full(4, np.nan) if sample.box is None else sample.box
        np.testing.assert_array_equal(arrays.boxes[index], box)
        assert arrays.has_mask[index] == (sample.mask is not None)
        assert arrays.readable[index]


def test_values_equal_read(root: Path, store: Path) -> None:
    arrays = decoded(Files(root), Stretch(SIZE), store)
    assert_equals_read(arrays, root)
    assert arrays.problems == ()
    dtypes = {
        "images": np.uint8,
        "masks": np.uint8,
        "labels": np.int64,
        "boxes": np.float32,
        "has_mask": np.bool_,
        "readable": np.bool_,
    }
    for name, dtype in dtypes.items():
        array = getattr(arrays, name)
        assert isinstance(array, np.memmap), name
        assert array.dtype == dtype, name
        assert not array.flags.writeable, name
    assert contents(store) == [arrays.folder.name]
    assert arrays.folder.name == f"files-{SIZE}-{cache_key(Files(root), Stretch(SIZE))}"


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=20), touched=st.integers(0, 19))
def test_any_folder_is_what_is_read_also_after_a_change(lengths: list[int], touched: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name, "source"), Path(name, "cache")
        folder.mkdir()
        for number, length in enumerate(lengths):
            (folder / f"{number:03}.txt").write_text("x" * length)
        assert_equals_read(decoded(Files(folder), Stretch(SIZE), store), folder)
        changed = folder / f"{touched % len(lengths):03}.txt"
        changed.write_text("x" * 41)
        assert_equals_read(decoded(Files(folder), Stretch(SIZE), store), folder)


def test_a_second_call_reads_nothing(root: Path, store: Path) -> None:
    decoded(Files(root), Stretch(SIZE), store)
    again = Files(root)
    assert_equals_read(decoded(again, Stretch(SIZE), store), root)
    assert again.reads == 0


def test_default_folder_is_the_environments(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "elsewhere"))
    assert decoded(Files(root), Stretch(SIZE)).folder.parent == tmp_path / "elsewhere" / "decoded"


def test_a_touched_source_builds_anew(root: Path, store: Path) -> None:
    first = decoded(Files(root), Stretch(SIZE), store)
    os.utime(root / "003.txt", ns=(1, 1))
    touched = Files(root)
    second = decoded(touched, Stretch(SIZE), store)
    assert touched.reads == len(touched)
    assert second.folder != first.folder
    (root / "003.txt").write_text("changed")
    assert_equals_read(decoded(Files(root), Stretch(SIZE), store), root)


def test_the_key_names_all_that_matters(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [cache_key(Files(root), Stretch(SIZE))]
    assert cache_key(Files(root), Stretch(SIZE)) == keys[0]
    keys.append(cache_key(Files(root), Stretch(SIZE + 1)))
    keys.append(cache_key(Files(root, option="border=ignored"), Stretch(SIZE)))
    (root / "004.xml").write_text("a label file appears")
    keys.append(cache_key(Files(root), Stretch(SIZE)))
    monkeypatch.setattr(Files, "VERSION", 2)
    keys.append(cache_key(Files(root), Stretch(SIZE)))
    monkeypatch.setattr(cache, "CACHE_FORMAT", 99)
    keys.append(cache_key(Files(root), Stretch(SIZE)))
    (root / "011.txt").unlink()
    keys.append(cache_key(Files(root), Stretch(SIZE)))
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)


class Unreadable:
    """Some images cannot be decoded."""

    def __init__(self, *indices: int) -> None:
        self.indices = indices

    def __call__(self, index: int) -> None:
        if index in self.indices:
            raise UnreadableImageError(f"{index:03}.txt: not an image")


def test_unreadable_images_are_left_out(root: Path, store: Path) -> None:
    for arrays in (
        decoded(Files(root, Unreadable(8, 2)), Stretch(SIZE), store),
        decoded(Files(root), Stretch(SIZE), store),  # the cache remembers
    ):
        assert np.flatnonzero(~arrays.readable).tolist() == [2, 8]
        assert arrays.problems == ("002.txt: not an image", "008.txt: not an image")
        assert (arrays.masks[[2, 8]] == IGNORE_INDEX).all()
        assert not arrays.has_mask[[2, 8]].any()
        assert (arrays.labels[[2, 8]] == NO_LABEL).all()
        assert np.isnan(arrays.boxes[[2, 8]]).all()


def test_no_readable_image_is_an_error(root: Path, store: Path) -> None:
    with pytest.raises(DataError, match=r"files: no image can be read; the first: 000\.txt"):
        decoded(Files(root, Unreadable(*range(12))), Stretch(SIZE), store)
    assert contents(store) == []


def test_an_empty_data_set_is_an_error(tmp_path: Path, store: Path) -> None:
    with pytest.raises(DataError, match="files: there is no image"):
        decoded(Files(tmp_path), Stretch(SIZE), store)


def test_a_wrong_label_stops_the_build(root: Path, store: Path) -> None:
    for number in range(12, 300):
        (root / f"{number:03}.txt").write_text("")

    def before(index: int) -> None:
        if index == 1:
            raise DataError("001.xml: box ends before it begins")
        time.sleep(0.01)

    dataset = Files(root, before)
    with pytest.raises(DataError, match=r"001\.xml: box ends"):
        decoded(dataset, Stretch(SIZE), store)
    assert contents(store) == []
    assert dataset.reads < 100  # what was waiting is not read any more


@pytest.mark.parametrize(
    "damage", ["no meta", "other key", "not json", "array cut", "array gone", "pickle"]
)
def test_a_damaged_folder_is_not_read_but_replaced(damage: str, root: Path, store: Path) -> None:
    folder = decoded(Files(root), Stretch(SIZE), store).folder
    meta = folder / "meta.json"
    if damage == "no meta":
        meta.unlink()
    elif damage == "other key":
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"key": "0" * 16}))
    elif damage == "not json":
        meta.write_text('{"format"')
    elif damage == "array cut":
        (folder / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-100])
    elif damage == "pickle":
        planted = np.array([Planted(store / "hit")], dtype=object)
        np.save(folder / "masks.npy", planted, allow_pickle=True)
    else:
        (folder / "masks.npy").unlink()
    dataset = Files(root)
    arrays = decoded(dataset, Stretch(SIZE), store)
    assert dataset.reads == len(dataset)
    assert_equals_read(arrays, root)
    assert contents(store) == [folder.name]


class Meet:
    """Waits, at the first image, until all processes have begun to build."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier = barrier

    def __call__(self, index: int) -> None:
        if index == 0:
            self.barrier.wait(timeout=120)


def build_together(root: Path, store: Path, barrier: threading.Barrier) -> None:
    dataset = Files(root, Meet(barrier))
    arrays = decoded(dataset, Stretch(SIZE), store)
    assert dataset.reads == len(dataset), "this process did not build"
    assert_equals_read(arrays, root)


def test_two_processes_at_once(root: Path, store: Path) -> None:
    barrier = SPAWN.Barrier(2)
    processes = [SPAWN.Process(target=build_together, args=(root, store, barrier)) for _ in "12"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=240)
    assert [process.exitcode for process in processes] == [0, 0]
    assert contents(store) == [f"files-{SIZE}-{cache_key(Files(root), Stretch(SIZE))}"]


def die(index: int) -> None:
    if index == 6:
        os.kill(os.getpid(), signal.SIGKILL)


def build_and_die(root: Path, store: Path) -> None:
    decoded(Files(root, die), Stretch(SIZE), store)


def test_a_killed_build_leaves_nothing_that_is_read(root: Path, store: Path) -> None:
    process = SPAWN.Process(target=build_and_die, args=(root, store))
    process.start()
    process.join(timeout=240)
    assert process.exitcode == -signal.SIGKILL
    (leftover,) = contents(store)
    dataset = Files(root)
    folder = decoded(dataset, Stretch(SIZE), store).folder
    assert dataset.reads == len(dataset)
    assert contents(store) == [folder.name, leftover]  # it might be a build that still runs

    two_days_ago = time.time() - 2 * 24 * 3600
    for path in [*(store / "decoded" / leftover).iterdir(), store / "decoded" / leftover]:
        os.utime(path, (two_days_ago, two_days_ago))
    other = decoded(Files(root), Stretch(SIZE + 1), store).folder
    assert contents(store) == sorted([folder.name, other.name])


def test_pickling_hands_over_the_folder_only(root: Path, store: Path) -> None:
    arrays = decoded(Files(root), Stretch(64), store)
    assert arrays.images.nbytes > 100_000
    data = pickle.dumps(arrays)
    assert len(data) < 10_000
    copy = pickle.loads(data)
    assert isinstance(copy.images, np.memmap)
    assert copy.folder == arrays.folder
    np.testing.assert_array_equal(copy.images, arrays.images)
    np.testing.assert_array_equal(copy.boxes, arrays.boxes)


def test_too_little_room_is_one_line(
    root: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("."))(10**9, 10**9 - 5000, 5000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"(?s)\A[^\n]*decoded[^\n]*GB[^\n]*AUXSEG_CACHE[^\n]*\Z"):
        decoded(Files(root), Stretch(SIZE), store)
    assert contents(store) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no blocks")
def test_a_quota_is_met_before_any_page_is_written(
    root: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    dataset = Files(root)
    with pytest.raises(DataError, match=r"No space left.*AUXSEG_CACHE"):
        decoded(dataset, Stretch(SIZE), store)
    assert dataset.reads == 0
    assert contents(store) == []


def test_a_folder_that_cannot_be_written_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"file/decoded/files-.*AUXSEG_CACHE"):
        decoded(Files(root), Stretch(SIZE), tmp_path / "file")


@pytest.mark.parametrize(("count", "lines"), [(12, 0), (200, 1)])
def test_a_log_gets_one_line_for_many_images(
    count: int, lines: int, root: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12, count):
        (root / f"{number:03}.txt").write_text("")
    folder = decoded(Files(root), Stretch(SIZE), store).folder
    decoded(Files(root), Stretch(SIZE), store)
    out, err = capsys.readouterr()
    assert out == ""
    expected = f"decoding {count} images of files at {SIZE}×{SIZE} into {folder}\n"
    assert err == expected * lines


def test_a_terminal_gets_a_bar(
    root: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("auxseg.progress.AFTER", 0.0)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    decoded(Files(root), Stretch(SIZE), store)
    err = capsys.readouterr().err
    assert f"decoding images of files at {SIZE}×{SIZE}" in err
    assert "12/12" in err
