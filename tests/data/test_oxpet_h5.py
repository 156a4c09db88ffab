"""The preprocessed course data: four arrays a part, whatever dtype and trailing axis they have."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxseg.data.datasets.oxpet_h5 import OxpetH5
from auxseg.errors import DataError, UsageError

h5py = pytest.importorskip("h5py", reason="the extra auxseg[h5] is not installed")

LENGTHS = {"train": 3, "val": 2, "test": 1}
SIZE = 16


def arrays(length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(length)
    mask = np.zeros((length, SIZE, SIZE, 1), dtype=np.uint8)
    mask[:, :4] = 1
    return {
        "images": rng.integers(0, 256, (length, SIZE, SIZE, 3), dtype=np.uint8),
        "masks": mask,
        "bboxes": np.tile([4, 0, 8, 16], (length, 1)).astype(np.float32),
        "binary": np.arange(length).reshape(-1, 1) % 2,
    }


def write(file: Path, array: np.ndarray, key: str = "data") -> None:
    file.parent.mkdir(exist_ok=True)
    with h5py.File(file, "w") as archive:
        archive[key] = array


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, length in LENGTHS.items():
        for kind, array in arrays(length).items():
            write(tmp_path / part / f"{kind}.h5", array, key=f"any {kind}")
    return tmp_path


def test_samples_and_split(root: Path) -> None:
    data = OxpetH5(root)
    assert len(data) == 6
    parts = data.split()
    assert (parts.train, parts.val, parts.test) == ((0, 1, 2), (3, 4), (5,))
    assert [data.name(index) for index in (0, 4, 5)] == ["train-00000", "val-00001", "test-00000"]
    sample = data.read(4)
    np.testing.assert_array_equal(sample.image, arrays(2)["images"][1])
    assert sample.mask is not None
    np.testing.assert_array_equal(sample.mask, arrays(2)["masks"][1, ..., 0])
    assert sample.box is not None
    np.testing.assert_allclose(sample.box, [0.25, 0, 0.5, 1])
    assert sample.label == 1
    assert data.read(4, size=8).image.shape == (8, 8, 3)
    assert {path.parent.name for path in data.sources(4)} == {"val"}
    assert len(data.sources(4)) == 4
    with pytest.raises(IndexError):
        data.read(6)


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_float_images_of_either_range(root: Path, scale: float) -> None:
    images = arrays(3)["images"]
    write(root / "train" / "images.h5", (images * scale).astype(np.float32))
    np.testing.assert_array_equal(OxpetH5(root).read(2).image, images[2])


def test_arrays_without_trailing_axis(root: Path) -> None:
    write(root / "train" / "masks.h5", arrays(3)["masks"][..., 0].astype(np.float32))
    write(root / "train" / "binary.h5", arrays(3)["binary"][:, 0].astype(np.float32))
    sample = OxpetH5(root).read(1)
    assert sample.mask is not None
    assert sample.mask.dtype == np.uint8
    assert sample.label == 1


def test_row_of_nan_is_no_box(root: Path) -> None:
    write(root / "test" / "bboxes.h5", np.full((1, 4), np.nan, np.float32))
    assert OxpetH5(root).read(5).box is None


@pytest.mark.parametrize(
    ("kind", "array", "message"),
    [
        ("images", np.zeros((3, SIZE, SIZE)), r"\(N, H, W, 3\) is needed"),
        ("masks", np.zeros((3, SIZE, 8)), r"\(3, 16, 16\) or \(3, 16, 16, 1\) fits"),
        ("bboxes", np.zeros((2, 4)), r"shape \(2, 4\); \(3, 4\) fits"),
        ("binary", np.zeros(4), r"shape \(4,\); \(3,\) or \(3, 1\) fits"),
    ],
)
def test_wrong_shape_names_the_file(root: Path, kind: str, array: np.ndarray, message: str) -> None:
    write(root / "train" / f"{kind}.h5", array)
    with pytest.raises(DataError, match=rf"train.{kind}\.h5: .*{message}"):
        OxpetH5(root)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("masks", 2, "row 0: value 2; 0 and 1 are allowed"),
        ("binary", 5, "row 0: value 5; 0 and 1 are allowed"),
        ("bboxes", 3, "row 0: box .*xmin < xmax"),
    ],
)
def test_wrong_value_names_file_and_row(root: Path, kind: str, value: int, message: str) -> None:
    write(root / "test" / f"{kind}.h5", np.full_like(arrays(1)[kind], value))
    with pytest.raises(DataError, match=rf"test.{kind}\.h5 {message}"):
        OxpetH5(root).read(5)


def test_missing_and_broken_files_are_named(root: Path) -> None:
    file = root / "val" / "masks.h5"
    file.write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"val.masks\.h5: not a readable HDF5 file"):
        OxpetH5(root)
    file.unlink()
    with pytest.raises(DataError, match=r"val.masks\.h5: no such file"):
        OxpetH5(root)


def test_file_of_two_arrays_is_refused(root: Path) -> None:
    with h5py.File(root / "val" / "masks.h5", "a") as archive:
        archive["second"] = np.zeros(1)
    with pytest.raises(DataError, match=r"masks\.h5: holds any masks, second; one array"):
        OxpetH5(root)


def test_travels_to_another_process(root: Path) -> None:
    data = OxpetH5(root)
    data.read(0)
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.read(0).image, data.read(0).image)


def test_a_forked_process_opens_its_own_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = OxpetH5(root)
    expected = data.read(0).image
    for array in data._arrays.values():
        array.file.close()
    monkeypatch.setattr("os.getpid", lambda: -1)
    np.testing.assert_array_equal(data.read(0).image, expected)


def test_usage_errors(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--root"):
        OxpetH5()
    with pytest.raises(UsageError, match="split: 'paper' is not one of files"):
        OxpetH5(root, "paper")
    modules: dict[str, Any] = sys.modules
    monkeypatch.setitem(modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install auxseg\[h5\]"):
        OxpetH5(root)
