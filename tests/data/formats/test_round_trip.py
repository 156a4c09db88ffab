"""Folder → each format → convert → folder: the same masks, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.checks import check_root
from auxseg.data.formats import FORMATS
from auxseg.data.formats.convert import Converted, convert

from . import sources


def masks_of(out: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path)) for path in (out / "masks").iterdir()}


def assert_same(done: Converted, expected: dict[str, np.ndarray]) -> None:
    """All masks are there, and each is the expected one."""
    found = masks_of(done.out)
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert (found[name] == one).all(), (name, (found[name] != one).sum())


def test_every_format_has_a_writer() -> None:
    assert sources.WRITERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", sources.WRITERS)
def test_masks_come_back(name: str, tmp_path: Path) -> None:
    """The format is found out, and the folder that is written has no problems."""
    expected = sources.WRITERS[name](tmp_path / "labels")
    done = convert(tmp_path / "labels", tmp_path / "out")
    assert done.format == name
    assert not [str(line) for line in done.journal if line.kind == "unreadable"]
    assert_same(done, expected)
    assert (done.photos, done.masks) == (4, 4)
    report = check_root(done.out, ignore_index=255 if done.ignored else None)
    assert report.problems == ()
    for photo in (done.out / "images").iterdir():
        original = next(path for path in (tmp_path / "labels").rglob(photo.name))
        assert photo.read_bytes() == original.read_bytes()


@pytest.mark.parametrize("runs", ["polygons", "list", "compressed"])
def test_coco_s_three_ways_to_outline(runs: str, tmp_path: Path) -> None:
    expected = sources.write_coco(tmp_path / "labels", runs)
    done = convert(tmp_path / "labels" / "labels.json", tmp_path / "out")
    assert_same(done, expected)
    assert done.classes == ("background", "cat", "dog")
