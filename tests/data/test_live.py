"""Without a cache of pixels the same batches come, decoded from the files each time."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.cache import decoded
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.fits import Stretch
from auxseg.data.live import LiveArrays
from auxseg.data.loaders import Batches, EpochSampler, Reader, make_loader

SIZE = 8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six photos, one of them broken, one without a mask."""
    for folder in ("images", "masks"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    for number in range(6):
        draw = np.random.default_rng(number)
        pixels = draw.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / "images" / f"{number}.png")
        if number != 2:
            mask = draw.integers(0, 2, (12, 10), dtype=np.uint8)
            Image.fromarray(mask).save(tmp_path / "photos" / "masks" / f"{number}.png")
    (tmp_path / "photos" / "images" / "4.png").write_bytes(b"broken")
    return tmp_path / "photos"


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_batches(workers: int, root: Path, tmp_path: Path) -> None:
    kept = decoded(Folder(root), Stretch(SIZE), tmp_path / "kept")
    live = LiveArrays.open(Folder(root), Stretch(SIZE), tmp_path / "live")
    assert live.problems == kept.problems
    assert len(live.images) == len(kept.images)
    batches = [
        list(
            make_loader(
                Reader(arrays),
                Batches(EpochSampler(range(6), shuffle=True, seed=1), 4),
                lambda images: images,  # type: ignore[arg-type, return-value]
                num_workers=workers,
            )
        )
        for arrays in (kept, live)
    ]
    for one, other in zip(*batches, strict=True):
        for name in ("image", "mask", "label", "has_mask", "index"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_no_pixels_are_kept(root: Path, tmp_path: Path) -> None:
    LiveArrays.open(Folder(root), Stretch(SIZE), tmp_path / "live")
    assert sorted(path.name for path in (tmp_path / "live").rglob("*.npy")) == [
        *("boxes.npy", "digests.npy", "extents.npy", "has_mask.npy"),
        *("labels.npy", "prints.npy", "readable.npy"),
    ]


def test_it_can_be_sent_to_another_process(root: Path, tmp_path: Path) -> None:
    live = LiveArrays.open(Folder(root), Stretch(SIZE), tmp_path / "live")
    again = pickle.loads(pickle.dumps(live))
    np.testing.assert_array_equal(again.images[3], live.images[3])
    np.testing.assert_array_equal(again.masks[5], live.masks[5])
