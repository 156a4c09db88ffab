"""A folder's photos: which come first, and how masks are saved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.datasets.folder.dataset import Folder
from auxseg.errors import DataError, UsageError
from auxseg.serve.answers import Served, uncertainty
from auxseg.serve.gallery import Gallery
from auxseg.serve.uploads import TooLargeError

from .conftest import photo

CLASSES = ("background", "animal")


def corrected(number: int, classes: int = 2) -> np.ndarray:
    return np.random.default_rng(9).integers(0, classes, photo(number).shape[:2], dtype=np.uint8)


def test_a_saved_mask_is_the_folders_mask(folder: Path) -> None:
    gallery = Gallery(folder, CLASSES)
    assert gallery.save(3, corrected(3)) is None
    np.testing.assert_array_equal(Folder(folder).read(3).mask, corrected(3))
    np.testing.assert_array_equal(gallery.mask(3), corrected(3))
    assert [one["has_mask"] for one in gallery.listed()] == [True, False, False, True, False]
    assert Image.open(folder / "masks" / "3.png").mode == "L"  # as the one that is there


def test_what_was_there_is_kept_beside(folder: Path) -> None:
    """Under a number of its own, each time; the folder itself takes no notice of it."""
    gallery, first = Gallery(folder, CLASSES), (folder / "masks" / "0.png").read_bytes()
    kept = [gallery.save(0, corrected(0) ^ flip) for flip in (0, 1, 0)]
    assert [one and one.name for one in kept] == ["0-1.png", "0-2.png", "0-3.png"]
    assert (folder / "masks-before" / "0-1.png").read_bytes() == first
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "masks-before" / "0-3.png")), corrected(0) ^ 1
    )
    assert sorted(one.name for one in folder.iterdir()) == [
        *("classes.txt", "images", "masks", "masks-before")
    ]
    assert len(Folder(folder)) == 5


def test_a_folder_of_photos_alone_gets_masks_and_names(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    (folder / "masks" / "0.png").unlink()
    (folder / "masks").rmdir()
    Gallery(folder, CLASSES).save(2, corrected(2))
    found = Folder(folder)
    assert found.mask_classes == CLASSES
    np.testing.assert_array_equal(found.read(2).mask, corrected(2))
    assert Image.open(folder / "masks" / "2.png").mode == "P"  # seen when it is opened


@pytest.mark.parametrize("named", [True, False])
def test_a_saved_mask_can_be_opened_again(named: bool, folder: Path) -> None:
    """By the same gallery, with and without names and masks at the beginning."""
    (folder / "masks" / "0.png").unlink()
    if not named:
        (folder / "classes.txt").unlink()
    gallery = Gallery(folder, CLASSES, ignore_index=255)
    assert gallery.ignores
    mask = corrected(1)
    mask[0] = 255
    gallery.save(1, mask)
    np.testing.assert_array_equal(gallery.mask(1), mask)


@pytest.mark.parametrize("names", ["background\nplant\nanimal\n", "animal\nbackground\n"])
def test_other_names_are_refused_also_without_masks(names: str, folder: Path) -> None:
    (folder / "masks" / "0.png").unlink()
    (folder / "classes.txt").write_text(names, encoding="utf-8")
    with pytest.raises(UsageError, match="are not those of the network"):
        Gallery(folder, CLASSES)


def test_a_palette_without_masks_is_kept_to(folder: Path) -> None:
    (folder / "masks" / "0.png").unlink()
    (folder / "palette.txt").write_text("0 0 0 background\n250 20 30 animal\n", encoding="utf-8")
    Gallery(folder, CLASSES).save(1, corrected(1))
    np.testing.assert_array_equal(Folder(folder).read(1).mask, corrected(1))


def test_further_masks_have_the_colours_of_those_that_are_there(folder: Path) -> None:
    """Masks whose palettes contradict one another are a problem of the folder."""
    for number in (0, 1):
        mask = Image.fromarray(corrected(number))
        mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        mask.save(folder / "masks" / f"{number}.png")
    Gallery(folder, CLASSES).save(2, corrected(2))
    np.testing.assert_array_equal(Folder(folder).read(2).mask, corrected(2))
    colours = Image.open(folder / "masks" / "2.png").getpalette()
    assert colours is not None
    assert colours[3:6] == [128, 0, 0]


def test_requests_that_save_at_once_are_all_saved(folder: Path) -> None:
    """Two tabs and a double click: every one of the masks is there, the last one in place."""
    (folder / "classes.txt").unlink()
    (folder / "masks" / "0.png").unlink()
    gallery = Gallery(folder, CLASSES)
    masks = [np.random.default_rng(n).integers(0, 2, (30, 40), np.uint8) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda mask: gallery.save(0, mask), masks))
        list(pool.map(lambda n: gallery.save(n, corrected(n)), range(1, 5)))
    files = [folder / "masks" / "0.png", *(folder / "masks-before").iterdir()]
    found = {np.asarray(Image.open(file)).tobytes() for file in files}
    assert found == {mask.tobytes() for mask in masks}


def test_a_mask_of_another_size_is_named(folder: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(folder / "masks" / "1.png")
    with pytest.raises(DataError, match=r"1\.png: 4 × 3 pixels, but its photo has 40 × 31"):
        Gallery(folder, CLASSES).mask(1)


def test_what_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "masks-before").write_text("mine")
    with pytest.raises(DataError, match=r"0\.png: cannot be written"):
        Gallery(folder, CLASSES).save(0, corrected(0))


def test_a_photo_of_too_many_pixels_is_not_decoded(folder: Path) -> None:
    with pytest.raises(TooLargeError, match="more than 0 million"):
        Gallery(folder, CLASSES, pixels=1000).read(1)


def test_masks_of_0_and_255_stay_such(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    Image.fromarray(np.eye(30, 40, dtype=np.uint8) * 255).save(folder / "masks" / "0.png")
    gallery = Gallery(folder, ("background", "foreground"))
    gallery.save(1, corrected(1))
    assert set(np.unique(np.asarray(Image.open(folder / "masks" / "1.png")))) == {0, 255}
    np.testing.assert_array_equal(Folder(folder).read(1).mask, corrected(1))


def test_masks_in_colours_stay_such(folder: Path) -> None:
    (folder / "palette.txt").write_text("0 0 0 background\n250 20 30 animal\n", encoding="utf-8")
    colours = np.array([(0, 0, 0), (250, 20, 30)], np.uint8)
    Image.fromarray(colours[np.eye(30, 40, dtype=np.uint8)]).save(folder / "masks" / "0.png")
    Gallery(folder, CLASSES).save(1, corrected(1))
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "masks" / "1.png")), colours[corrected(1)]
    )
    np.testing.assert_array_equal(Folder(folder).read(1).mask, corrected(1))


def test_pixels_that_are_not_labelled(folder: Path) -> None:
    mask = corrected(1)
    mask[:4] = 255
    with pytest.raises(DataError, match=r"mask: holds 255; allowed are 0 to 1$"):
        Gallery(folder, CLASSES).save(1, mask)
    Gallery(folder, CLASSES, ignore_index=9).save(1, mask)
    assert (np.asarray(Image.open(folder / "masks" / "1.png"))[:4] == 9).all()
    np.testing.assert_array_equal(Folder(folder, ignore_index=9).read(1).mask, mask)


def test_a_value_of_no_class_changes_nothing(folder: Path) -> None:
    before = (folder / "masks" / "0.png").read_bytes()
    with pytest.raises(DataError, match="mask: holds 2; allowed are 0 to 1"):
        Gallery(folder, CLASSES).save(0, corrected(0, classes=3))
    assert (folder / "masks" / "0.png").read_bytes() == before
    assert not (folder / "masks-before").exists()


def test_a_folder_of_other_classes_is_refused(folder: Path) -> None:
    (folder / "classes.txt").write_text("background\ncar\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"background, car.*background, animal"):
        Gallery(folder, CLASSES)


def test_classes_without_names_are_taken_by_number(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    Gallery(folder, (*CLASSES, "plant")).save(1, corrected(1, classes=3))
    assert Folder(folder).mask_classes == (*CLASSES, "plant")


def test_photos_without_a_mask_are_scored(folder: Path, served: Served) -> None:
    gallery = Gallery(folder, served.classes)
    (folder / "images" / "4.png").write_bytes(b"no photo")
    Image.new("RGB", (1, 3000)).save(folder / "images" / "3.png")
    for number in list(gallery.unscored()):
        gallery.score(number, served)
    assert not list(gallery.unscored())
    listed = [one["uncertainty"] for one in gallery.listed()]
    assert listed[0] is None  # it has a mask
    assert all(0 < one < 1 for one in listed[1:4])
    assert listed[4] == -1


@pytest.mark.parametrize(
    ("planes", "value"),
    [
        ([[1.0, 1.0], [0.0, 0.0]], 0.0),
        ([[0.5, 0.5], [0.5, 0.5]], 1.0),
        ([[1.0, 0.5], [0.0, 0.5]], 0.5),
        # −(0.9 log₂ 0.9 + 0.1 log₂ 0.1)
        ([[0.9, 0.9], [0.1, 0.1]], 0.468996),
    ],
)
def test_uncertainty_is_the_mean_entropy(planes: list[list[float]], value: float) -> None:
    assert uncertainty(np.array(planes)[:, None]) == pytest.approx(value, abs=1e-6)
