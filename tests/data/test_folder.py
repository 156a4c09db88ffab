"""A user's folder: everything that is there is read, everything that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.problems import DataProblemsError
from auxseg.errors import DataError, UnreadableImageError, UsageError
from auxseg.types import IGNORE_INDEX

#: Of every image here, in pixels.
WIDTH, HEIGHT = 8, 4


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)).save(path)


def save_mask(path: Path, *values: int) -> None:
    """A mask in which each of the values occurs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(np.array(values, np.uint8), (HEIGHT, WIDTH))).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images a.jpg to e.jpg, nothing else."""
    for stem in "abcde":
        save_image(tmp_path / "images" / f"{stem}.jpg")
    return tmp_path


@pytest.fixture
def table(root: Path) -> Callable[[str], Path]:
    """Writes labels.csv and returns the root."""

    def write(text: str) -> Path:
        (root / "labels.csv").write_text(text)
        return root

    return write


def masks(root: Path, **values: tuple[int, ...]) -> Path:
    for stem, present in values.items():
        save_mask(root / "masks" / f"{stem}.png", *present)
    return root


def mask_values(data: Folder, index: int) -> set[int]:
    mask = data.read(index).mask
    assert mask is not None
    return set(np.unique(mask).tolist())


def box_of(data: Folder, index: int) -> np.ndarray:
    box = data.read(index).box
    assert box is not None
    return box


def problems(root: Path) -> tuple[str, ...]:
    with pytest.raises(DataProblemsError) as caught:
        Folder(root)
    return caught.value.problems


def test_bare_images(root: Path) -> None:
    data = Folder(root)
    assert [data.name(index) for index in range(len(data))] == [f"{stem}.jpg" for stem in "abcde"]
    assert (data.mask_classes, data.label_classes) == ((), ())
    assert data.notes == ("5 of 5 images have no mask (first: a.jpg)",)
    sample = data.read(0, size=16)
    assert sample.image.shape == (16, 16, 3)
    assert (sample.mask, sample.label, sample.box) == (None, None, None)


def test_folder_without_images_folder_is_its_images(tmp_path: Path) -> None:
    save_image(tmp_path / "one.JPG")
    save_image(tmp_path / "two.webp")
    (tmp_path / "readme.md").write_text("no image")
    (tmp_path / "._one.jpg").write_bytes(b"what macOS leaves in archives")
    data = Folder(tmp_path)
    assert [data.name(index) for index in range(len(data))] == ["one.JPG", "two.webp"]


def test_what_is_no_image_is_noted(root: Path) -> None:
    (root / "images" / "list.xls").write_text("no image")
    assert Folder(root).notes[0] == "files in images/ that are no images: 1 (first: list.xls)"


def test_no_root_no_folder_no_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--root"):
        Folder()
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no image \(\.jpg, "):
        Folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"split": "paper"}, "split: 'paper' is not one of masked, grouped, stratified"),
        ({"split_seed": -1}, "split_seed: -1"),
        ({"ignore_index": 256}, "ignore_index: 256 is not in the range 0 to 255"),
        ({"palette": Path("gone.txt")}, "palette: gone.txt is not a file"),
    ],
)
def test_wrong_option(root: Path, options: dict, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Folder(root, **options)


def test_masks_with_classes(root: Path) -> None:
    (root / "classes.txt").write_text("road\ncar\nsky\n")
    data = Folder(masks(root, a=(0, 1, 2), b=(0,)))
    assert data.mask_classes == ("road", "car", "sky")
    assert mask_values(data, 0) == {0, 1, 2}
    assert data.read(2).mask is None
    assert data.notes == ("3 of 5 images have no mask (first: c.jpg)",)
    assert [path.name for path in data.sources(0)] == ["a.jpg", "a.png", "classes.txt"]


def test_classes_are_found_by_scanning(root: Path) -> None:
    data = Folder(masks(root, a=(0,), b=(0, 1, 2, 3)))
    assert data.mask_classes == ("class 0", "class 1", "class 2", "class 3")
    assert "no classes.txt: the masks' values give 4 classes, 0 to 3" in data.notes


def test_a_value_far_from_the_others_is_told(root: Path) -> None:
    """One slip would add classes that no mask has, without a word."""
    data = Folder(masks(root, a=(0, 1), b=(0, 7)))
    (note,) = (note for note in data.notes if note.startswith("no classes.txt"))
    assert "8 classes, 0 to 7; no mask holds 2, 3, 4, 5 and …, and 7 is only in b.png" in note


def test_one_stray_value_does_not_turn_against_the_sound_masks(root: Path) -> None:
    """Most masks hold 0 and 255: the one that holds 254 as well is at fault."""
    data = Folder(masks(root, a=(0, 255), b=(255, 0), c=(0, 255, 254)))
    assert mask_values(data, 0) == {0, 1}
    with pytest.raises(DataError, match=r"c\.png: mask value 254 \(.*: mend this one"):
        data.read(2)


def test_black_and_white_need_most_of_the_masks(root: Path) -> None:
    """As VOC has it: 255 around the objects of other masks means "not labelled"."""
    data = Folder(masks(root, a=(0, 1, 255), b=(0, 2, 255), c=(0, 255)), ignore_index=255)
    assert len(data.mask_classes) == 3


def test_values_0_and_255_alone_are_background_and_foreground(root: Path) -> None:
    data = Folder(masks(root, a=(0,), b=(0, 255)))
    assert data.mask_classes == ("background", "foreground")
    assert (mask_values(data, 0), mask_values(data, 1)) == ({0}, {0, 1})
    assert "masks hold 0 and 255 only: read as background and foreground" in data.notes


def test_two_names_fit_values_0_and_255(root: Path) -> None:
    (root / "classes.txt").write_text("healthy\nill\n")
    data = Folder(masks(root, a=(0, 255)))
    assert data.mask_classes == ("healthy", "ill")
    assert mask_values(data, 0) == {0, 1}


def test_two_names_and_values_0_and_1(root: Path) -> None:
    (root / "classes.txt").write_text("healthy\nill")
    assert mask_values(Folder(masks(root, a=(0, 1))), 0) == {0, 1}


def test_a_mask_that_changed_after_the_scan_is_named(root: Path) -> None:
    data = Folder(masks(root, a=(0, 255)))
    masks(root, a=(0, 7))
    with pytest.raises(DataError, match=r"a\.png: mask value 7 .*0 and 255 only"):
        data.read(0)


@pytest.mark.parametrize("ignored", [255, 7])
def test_ignored_value_becomes_ours(root: Path, ignored: int) -> None:
    data = Folder(masks(root, a=(0, 1, ignored)), ignore_index=ignored)
    assert data.mask_classes == ("class 0", "class 1")
    assert mask_values(data, 0) == {0, 1, IGNORE_INDEX}


def test_options_that_change_pixels_change_the_key(root: Path) -> None:
    masks(root, a=(0, 1, 2))
    assert Folder(root).options_key() != Folder(root, ignore_index=2).options_key()


@pytest.mark.parametrize("classes", ["road\ncar\nsky", None])
def test_value_beyond_the_classes_names_file_value_and_way_out(
    root: Path, classes: str | None
) -> None:
    if classes:
        (root / "classes.txt").write_text(classes)
    data = Folder(masks(root, a=(0, 1, 2), b=(1, 255)))
    data.read(0)
    with pytest.raises(DataError, match=r"b\.png: mask value 255 .*\(0 to 2: .*--ignore-index 255"):
        data.read(1)


def test_mask_of_another_size_names_both(root: Path) -> None:
    (root / "masks").mkdir()
    Image.fromarray(np.zeros((HEIGHT, 5), np.uint8)).save(root / "masks" / "a.png")
    with pytest.raises(DataError, match=r"a\.png: 5 × 4 pixels, but its image a\.jpg has 8 × 4"):
        Folder(root).read(0)


def test_only_ignored_values(root: Path) -> None:
    masks(root, a=(255,))
    with pytest.raises(DataProblemsError, match="no mask holds a class index"):
        Folder(root, ignore_index=255)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 classes"),
        ("a\n\nb", "line 2: empty"),
        ("a\nb\na", "line 3: class 'a' is there twice"),
    ],
)
def test_wrong_classes_file(root: Path, text: str, message: str) -> None:
    (root / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=rf"classes\.txt.*{message}"):
        Folder(masks(root, a=(0,)))


def test_files_that_contradict_one_another_are_all_listed(root: Path) -> None:
    masks(root, a=(0, 1), z=(0,))
    (root / "masks" / "b.jpg").write_bytes(b"")
    (root / "masks" / "c.png").write_bytes(b"broken")
    save_image(root / "images" / "d.png")
    found = "\n".join(problems(root))
    assert "d.png: has the same name before the ending as d.jpg" in found
    assert "z.png: there is no image of that name for this mask" in found
    assert "b.jpg: masks are PNG files" in found
    assert "c.png: not an image" in found
    assert found.count("\n") == 3
    with pytest.raises(DataProblemsError, match=r"\(and 3 more; .*data check") as caught:
        Folder(root)
    assert "\n" not in str(caught.value)
    assert len(caught.value.partial) == 5


def colour_masks(root: Path) -> Path:
    colours = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    colours[:, 0] = (128, 0, 0)
    colours[:, 1] = (1, 2, 3)
    (root / "masks").mkdir()
    Image.fromarray(colours).save(root / "masks" / "a.png")
    return root


def test_palette_gives_classes_and_indices(root: Path) -> None:
    (root / "palette.txt").write_text("# R G B name\n0 0 0 back ground\n1 2 3 cat\n128 0 0 dog\n")
    data = Folder(colour_masks(root))
    assert data.mask_classes == ("back ground", "cat", "dog")
    mask = data.read(0).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, [[2, 1, 0, 0, 0, 0, 0, 0]] * HEIGHT)


def test_palette_elsewhere_with_an_ignored_colour(root: Path) -> None:
    palette = root / "colours"
    palette.write_text("0 0 0 background\n1 2 3 cat\n128 0 0 void\n")
    data = Folder(colour_masks(root), palette=palette, ignore_index=2)
    assert data.mask_classes == ("background", "cat")
    assert mask_values(data, 0) == {0, 1, IGNORE_INDEX}


def test_unknown_colour_is_named(root: Path) -> None:
    (root / "palette.txt").write_text("0 0 0 background\n128 0 0 dog\n")
    with pytest.raises(DataError, match=r"a\.png: colour 1 2 3 is not in the palette \(0 0 0; 128"):
        Folder(colour_masks(root)).read(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 0", "line 1: '0 0 0' is not of the form R G B NAME"),
        ("0 0 0 a\n0 x 0 b", "line 2"),
        ("0 0 256 a", "from 0 to 255"),
        ("0 0 0 a\n0 0 0 b", "line 2: the colour or the name is there twice"),
        ("# nothing", "0 classes"),
    ],
)
def test_wrong_palette(root: Path, text: str, message: str) -> None:
    (root / "palette.txt").write_text(text)
    with pytest.raises(DataError, match=rf"palette\.txt.*{message}"):
        Folder(colour_masks(root))


def test_classes_that_contradict_the_palette(root: Path) -> None:
    (root / "palette.txt").write_text("0 0 0 background\n")
    (root / "classes.txt").write_text("foreground\n")
    with pytest.raises(DataError, match=r"classes\.txt: names other classes than .*palette\.txt"):
        Folder(colour_masks(root))


def test_labels_and_boxes(table: Callable[[str], Path]) -> None:
    data = Folder(
        table(
            "\ufeffimage, label,xmin,ymin,xmax,ymax\na.jpg,dog,2,1,8.5,4\nb,cat,,,,\n\nc,,0,0,4,2\n"
        )
    )
    assert data.label_classes == ("cat", "dog")
    assert [data.read(index).label for index in range(5)] == [1, 0, None, None, None]
    np.testing.assert_allclose(box_of(data, 0), [0.25, 0.25, 1, 1])
    np.testing.assert_allclose(box_of(data, 2), [0, 0, 0.5, 0.5])
    assert data.read(1).box is None


def test_numbers_as_labels_are_ordered_as_numbers(table: Callable[[str], Path]) -> None:
    assert Folder(table("image,label\na,10\nb,9\n")).label_classes == ("9", "10")


def test_split_column_decides(table: Callable[[str], Path]) -> None:
    data = Folder(table("image,split\na,test\nb,train\nc,train\nd,val\ne,train\n"))
    parts = data.split()
    assert (parts.train, parts.val, parts.test) == ((1, 2, 4), (3,), (0,))


def test_without_split_column_the_seed_decides(root: Path) -> None:
    parts = Folder(root).split()
    assert sorted(parts.train + parts.val + parts.test) == list(range(5))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (3, 1, 1)
    assert any(Folder(root, split_seed=seed).split() != parts for seed in range(1, 5))


def test_photos_without_a_mask_are_only_trained_on(root: Path) -> None:
    parts = Folder(masks(root, b=(0, 1), d=(0,), e=(1,))).split()
    assert {0, 2} < set(parts.train)
    assert len(parts.val) == 1
    assert set(parts.val) < {1, 3, 4}
    assert parts.test == ()
    (note,) = parts.notes
    assert "images with a mask: 3 (2 in train, 1 in val)" in note
    for way_out in ("no test part", "labels.csv", "--train-on train+val"):
        assert way_out in note


def test_labels_decide_the_strata(table: Callable[[str], Path]) -> None:
    root = masks(
        table("image,label\na,cat\nb,dog\nc,cat\nd,dog\n"), a=(0, 1), b=(1,), c=(0,), d=(0,)
    )
    for seed in range(5):
        parts = Folder(root, split_seed=seed).split()
        assert {index % 2 for index in parts.val} == {0, 1}


def test_stratified_takes_no_notice_of_masks(root: Path) -> None:
    before = Folder(root, "stratified").split()
    after = Folder(masks(root, a=(0, 1)), "stratified").split()
    assert (after, after.notes) == (before, ())


def test_photos_that_look_alike_are_kept_in_one_part(tmp_path: Path) -> None:
    """Twelve scenes, each in six exposures: drawn one by one, they are in two parts or more."""
    root = tmp_path / "scenes"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for scene in range(12):
        coarse = np.random.default_rng(scene).integers(0, 200, (5, 5, 3), dtype=np.uint8)
        photo = np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC))
        for exposure in range(6):
            name = f"{exposure}-{scene}.png"
            brighter = np.clip(photo * (0.7 + 0.06 * exposure), 0, 255).astype(np.uint8)
            Image.fromarray(brighter).save(root / "images" / name)
            Image.fromarray((coarse[..., 0] > 99).astype(np.uint8)).resize((64, 64)).save(
                root / "masks" / name
            )

    def scenes(split: str) -> list[set[str]]:
        folder = Folder(root, split)
        parts = folder.split()
        return [
            {folder.name(number).partition("-")[2] for number in part}
            for part in (parts.train, parts.val, parts.test)
        ]

    usual, together = scenes("masked"), scenes("grouped")
    assert usual[0] & usual[1]
    assert not together[0] & together[1]
    assert not together[0] & together[2]
    assert not together[1] & together[2]
    assert list(map(len, together)) == [7, 3, 2]
    assert not Folder(root, "grouped").split().notes
    # Photos without a mask that look like one that is held back are told of.
    for mask in [path for path in (root / "masks").iterdir() if path.name[0] != "0"]:
        mask.unlink()
    split = Folder(root, "grouped").split()
    left = 72 - sum(map(len, (split.train, split.val, split.test)))
    assert left > 0
    assert split.notes[-1].startswith(f"photos in no part: {left}, without a mask")


def test_labels_in_an_order_of_their_own(table: Callable[[str], Path]) -> None:
    root = table("image,label\na,cat\nb,ant\n")
    assert Folder(root).label_classes == ("ant", "cat")
    (root / "label_classes.txt").write_text("cat\nbee\nant\n", encoding="utf-8")
    folder = Folder(root)
    assert folder.label_classes == ("cat", "bee", "ant")
    assert [folder.read(number).label for number in range(2)] == [0, 2]
    assert root / "label_classes.txt" in folder.sources(0)
    (root / "label_classes.txt").write_text("cat\nbee\n", encoding="utf-8")
    assert list(problems(root)) == [
        f"{root / 'label_classes.txt'}: lacks the label 'ant' of labels.csv"
    ]


def test_where_all_photos_look_alike_nothing_can_be_held_back(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        Image.new("RGB", (9, 9), (9, 99, 199)).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "masks" / f"{number}.png")
    with pytest.raises(
        DataError, match=r"--split grouped puts 0 photos into val, not about 2.*--split masked"
    ):
        Folder(tmp_path, "grouped").split()


def test_split_column_comes_before_masks(table: Callable[[str], Path]) -> None:
    root = masks(table("image,split\na,test\nb,train\nc,train\nd,val\ne,train\n"), b=(0, 1))
    parts = Folder(root, "masked").split()
    assert (parts.train, parts.val, parts.test, parts.notes) == ((1, 2, 4), (3,), (0,), ())


def test_split_column_needs_a_value_for_every_image(table: Callable[[str], Path]) -> None:
    first, second = problems(table("image,split\na,train\nb,\nc,val\nd,test\n"))
    assert "labels.csv line 3: split '' is not one of train, val, test" in first
    assert "no sound row for 1 of 5 images (first: e.jpg)" in second


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("z,cat,1,1,2,2,train", "there is no image 'z'"),
        ("a.jpg,cat,1,1,2,2,train", "'a.jpg' has a row already, in line 2"),
        ("b,cat,1,one,2,2,train", "ymin 'one' is not a number"),
        ("b,cat,1,nan,2,2,train", "not a finite number"),
        ("b,cat,2,1,2,2,train", r"box (2, 1, 2, 2) needs xmin < xmax"),
        ("b,cat,1,,2,2,train", "ymin is empty"),
        ("b,cat,1,1,2,2,training", "split 'training' is not one of train, val, test"),
        ("b,cat,1,1", "4 cells, but the header has 7"),
    ],
)
def test_wrong_row_is_named_by_line_and_the_others_stand(
    table: Callable[[str], Path], row: str, message: str
) -> None:
    header = "image,label,xmin,ymin,xmax,ymax,split"
    rest = [f"{stem},,,,,,train" for stem in "bcde"]
    found = problems(table("\n".join([header, "a,,,,,,train", row, *rest])))
    assert "labels.csv line 3: " in found[0]
    assert message in found[0]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image,class", "unknown column 'class'; allowed are image, label"),
        ("label", "no column image"),
        ("image,label,label", "twice"),
        ("image,xmin,ymin,xmax", "no column ymax"),
        ("", "no column image"),
    ],
)
def test_wrong_header(table: Callable[[str], Path], header: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"labels\.csv line 1: .*{message}"):
        Folder(table(header + "\n"))


@pytest.mark.parametrize("content", [b"image\n\xff\xfe", b'image\n"a\n'])
def test_file_that_is_no_table(root: Path, content: bytes) -> None:
    (root / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv: cannot be read as a UTF-8 CSV"):
        Folder(root)


def test_box_outside_of_the_image_names_the_row(table: Callable[[str], Path]) -> None:
    data = Folder(table("image,xmin,ymin,xmax,ymax\nb,1,1,99,3\n"))
    with pytest.raises(DataError, match=r"labels\.csv line 2 \(b\.jpg\): .*outside .*\(8 × 4 pix"):
        data.read(1)


def test_broken_image_is_unreadable(root: Path) -> None:
    (root / "images" / "b.jpg").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"b\.jpg: the file is empty"):
        Folder(root).read(1)


def test_real_bare_images(shared: Path) -> None:
    data = Folder(shared / "data" / "pets-unlabelled-192")
    assert len(data) == 6678
    assert data.read(0).image.shape == (192, 192, 3)
