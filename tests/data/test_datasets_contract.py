"""What every data set promises, over :data:`DATASETS`, on small roots made here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.data import DATASETS, Dataset
from auxseg.data.cache import cache_key
from auxseg.data.fits import Stretch
from auxseg.errors import AuxsegError, UsageError
from auxseg.types import IGNORE_INDEX, Sample

COUNT = 20


def pixels(number: int, height: int = 24, width: int = 30) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_shapes(root: Path) -> dict[str, Any]:
    return {"train": 12, "val": 4, "test": 4}


def make_folder(root: Path) -> dict[str, Any]:
    """Every third image has no mask, every fourth no class, every fifth no box."""
    rows = ["image,label,xmin,ymin,xmax,ymax"]
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(COUNT):
        Image.fromarray(pixels(number)).save(root / "images" / f"{number:02d}.jpg")
        if number % 3:
            mask = Image.fromarray(pixels(number)[..., 0] % 3)
            mask.save(root / "masks" / f"{number:02d}.png")
        label = "" if number % 4 == 0 else f"kind {number % 2}"
        box = ",,," if number % 5 == 0 else "3,2,15,20"
        rows.append(f"{number:02d}.jpg,{label},{box}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"root": root}


def make_oxford(root: Path) -> dict[str, Any]:
    lines = []
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (root / folder).mkdir(parents=True)
    for number in range(COUNT):
        cat = number % 2 == 0
        name = f"{'Abyssinian' if cat else 'pug'}_{number}"
        Image.fromarray(pixels(number)).save(root / "images" / f"{name}.jpg")
        trimap = Image.fromarray(1 + pixels(number)[..., 0] % 3)
        trimap.save(root / "annotations" / "trimaps" / f"{name}.png")
        if number % 5:
            corners = zip(("xmin", "ymin", "xmax", "ymax"), (3, 2, 15, 20), strict=True)
            box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
            xml = f"<annotation><object><bndbox>{box}</bndbox></object></annotation>"
            (root / "annotations" / "xmls" / f"{name}.xml").write_text(xml)
        lines.append(f"{name} {1 if cat else 2} {1 if cat else 2} 1")
    for part, rows in {"list": lines, "trainval": lines[:14], "test": lines[14:]}.items():
        (root / "annotations" / f"{part}.txt").write_text("\n".join(rows) + "\n")
    return {"root": root}


def make_h5(root: Path) -> dict[str, Any]:
    h5py = pytest.importorskip("h5py", reason="the extra auxseg[h5] is not installed")
    for part, count in {"train": 12, "val": 4, "test": 4}.items():
        images = np.stack([pixels(number, 24, 24) for number in range(count)])
        boxes = np.tile(np.array([3, 2, 15, 20], np.float32), (count, 1))
        boxes[1] = np.nan
        arrays = {
            "images": images,
            "masks": images[..., 0] % 2,
            "bboxes": boxes,
            "binary": np.arange(count) % 2,
        }
        (root / part).mkdir()
        for kind, array in arrays.items():
            with h5py.File(root / part / f"{kind}.h5", "w") as archive:
                archive["data"] = array
    return {"root": root}


#: Data set → what fills an empty folder with a small one and returns the options to open it with.
ROOTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "shapes": make_shapes,
    "oxford-pet": make_oxford,
    "folder": make_folder,
    "oxpet-h5": make_h5,
}

Open = Callable[..., Dataset]


@pytest.fixture(params=list(DATASETS))
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one of the data sets on its root; keywords are further options."""
    assert request.param in ROOTS, f"add a small root of {request.param} to ROOTS"
    options = ROOTS[request.param](tmp_path)
    return lambda **further: DATASETS[request.param](**options, **further)


def test_is_registered_under_its_name(open_it: Open) -> None:
    data = open_it()
    assert DATASETS[data.NAME] is type(data)
    assert data.SPLITS
    assert data.IMAGE_SIZE >= 8


def test_names_are_plain_and_distinct(open_it: Open) -> None:
    data = open_it()
    names = [data.name(index) for index in range(len(data))]
    assert len(set(names)) == len(names) == COUNT
    assert not any("/" in name or "\\" in name for name in names)


def test_every_split_is_disjoint_in_range_and_repeatable(open_it: Open) -> None:
    data = open_it()
    for split in data.SPLITS:
        parts, again = (open_it(split=split, split_seed=3).split() for _ in range(2))
        assert parts == again
        used = [*parts.train, *parts.val, *parts.test]
        assert len(set(used)) == len(used)
        assert set(used) <= set(range(len(data)))
        assert parts.train
        assert parts.val
        assert parts.test or parts.notes, "a user is told why nothing can be tested"
        assert all(isinstance(index, int) for index in used)


def test_the_first_split_is_the_default(open_it: Open) -> None:
    data = open_it()
    assert data.split() == open_it(split=data.SPLITS[0]).split()


def test_an_unknown_split_is_one_line_naming_the_allowed(open_it: Open) -> None:
    with pytest.raises(UsageError) as caught:
        open_it(split="nonsense")
    assert "\n" not in str(caught.value)
    assert open_it().SPLITS[0] in str(caught.value)


def check(sample: Sample, shape: tuple[int, int], mask_classes: int, label_classes: int) -> None:
    assert sample.image.shape == (*shape, 3)
    assert sample.image.dtype == np.uint8
    if sample.mask is not None:
        assert sample.mask.shape == shape
        assert sample.mask.dtype == np.uint8
        assert set(np.unique(sample.mask)) <= {*range(mask_classes), IGNORE_INDEX}
    if sample.label is not None:
        assert 0 <= sample.label < label_classes
    if sample.box is not None:
        assert sample.box.shape == (4,)
        assert sample.box.dtype == np.float32
        assert bool(((sample.box >= 0) & (sample.box <= 1)).all())
        assert bool((sample.box[:2] < sample.box[2:]).all())


@pytest.mark.parametrize("size", [None, 32])
def test_samples_keep_the_contract(open_it: Open, size: int | None) -> None:
    data = open_it()
    found = set()
    for index in range(len(data)):
        sample = data.read(index, size)
        native = sample.image.shape[0], sample.image.shape[1]
        shape = native if size is None else (size, size)
        check(sample, shape, len(data.mask_classes), len(data.label_classes))
        labels = {"mask": sample.mask, "label": sample.label, "box": sample.box}
        found |= {name for name, value in labels.items() if value is not None}
    assert found == {"mask", "label", "box"}


def test_the_size_changes_no_label(open_it: Open) -> None:
    data = open_it()
    for index in range(len(data)):
        native, small = data.read(index), data.read(index, 32)
        assert native.label == small.label
        assert (native.mask is None) == (small.mask is None)
        assert (native.box is None) == (small.box is None)
        if native.box is not None and small.box is not None:
            # A drawing's box is that of the drawn pixels.
            np.testing.assert_allclose(native.box, small.box, atol=1 / 32)


def same(a: Sample, b: Sample) -> bool:
    pairs = [(a.image, b.image), (a.mask, b.mask), (a.box, b.box), (a.label, b.label)]
    return all(np.array_equal(x, y) if x is not None else y is None for x, y in pairs)  # type: ignore[arg-type]


def test_reading_is_repeatable_and_safe_in_threads(open_it: Open) -> None:
    data = open_it()
    alone = [data.read(index, 32) for index in range(len(data))]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda index: data.read(index % len(data), 32), range(60)))
    assert all(same(sample, alone[at % len(alone)]) for at, sample in enumerate(together))


def test_an_image_that_does_not_exist(open_it: Open) -> None:
    with pytest.raises(IndexError):
        open_it().read(COUNT)


def test_class_names_are_distinct(open_it: Open) -> None:
    data = open_it()
    for names in (data.mask_classes, data.label_classes):
        assert len(names) >= 2
        assert len(set(names)) == len(names)


def test_sources_exist_and_move_the_cache_key(open_it: Open) -> None:
    data = open_it()
    before = cache_key(data, Stretch(32))
    assert before == cache_key(open_it(), Stretch(32)) != cache_key(data, Stretch(33))
    sources = {path for index in range(len(data)) for path in data.sources(index)}
    assert all(path.is_file() for path in sources)
    for path in sorted(sources)[:3]:
        with path.open("ab") as file:
            file.write(b" ")
        after = cache_key(data, Stretch(32))
        assert after != before, path
        before = after


def test_a_wrong_seed_is_one_line(open_it: Open) -> None:
    """``shapes`` draws no split, so it has nothing to refuse."""
    if open_it().NAME == "shapes":
        assert open_it(split_seed=-1).split() == open_it().split()
        return
    with pytest.raises(AuxsegError, match="split_seed"):
        open_it(split_seed=-1)
