"""Masks: how classes are written, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .corpus import HEIGHT, SOUND, WIDTH, Kind, Kinds, check, encoded, mask

kind = Kinds()


def save(root: Path, *masks: np.ndarray) -> None:
    """Every photo's mask, the same for all or one for each."""
    for number in range(5):
        Image.fromarray(masks[number % len(masks)]).save(root / "masks" / f"p{number}.png")


def replace(root: Path, content: bytes, name: str = "p0.png") -> None:
    (root / "masks" / "p0.png").unlink()
    (root / "masks" / name).write_bytes(content)


@kind(*SOUND)
def black_and_white_for_back_and_front(root: Path) -> None:
    save(root, mask(255))


@kind(*SOUND)
def one_bit(root: Path) -> None:
    for number in range(5):
        Image.fromarray(mask() > 0).save(root / "masks" / f"p{number}.png")


@kind(*SOUND)
def grey_as_colour(root: Path) -> None:
    save(root, np.dstack([mask()] * 3))


@kind(*SOUND)
def sixteen_bits_with_small_values(root: Path) -> None:
    save(root, mask().astype(np.uint16))


@kind(*SOUND)
def a_palette(root: Path) -> None:
    for number in range(5):
        image = Image.fromarray(mask(), "P")
        image.putpalette([0, 0, 0, 200, 0, 0])
        image.save(root / "masks" / f"p{number}.png")


@kind(*SOUND)
def colours_of_a_palette_file(root: Path) -> None:
    save(root, np.dstack([mask(200), mask(0), mask(0)]))
    (root / "palette.txt").write_text("0 0 0 back\n200 0 0 front\n")


@kind("p0.png", "colour 200 0 0 is not in the palette")
def a_colour_that_is_not_in_the_palette(root: Path) -> None:
    save(root, np.dstack([mask(0)] * 3))
    Image.fromarray(np.dstack([mask(200), mask(0), mask(0)])).save(root / "masks" / "p0.png")
    (root / "palette.txt").write_text("0 0 0 back\n0 9 0 front\n")


@kind("p0.png", "a colour image")
def colours_without_a_palette(root: Path) -> None:
    replace(root, encoded(Image.fromarray(np.dstack([mask(200), mask(0), mask(0)])), "PNG"))


@kind("p0.png", "254", "mend this one")
def a_stray_value(root: Path) -> None:
    save(root, mask(255))
    stray = mask(255)
    stray[0, 0] = 254
    Image.fromarray(stray).save(root / "masks" / "p0.png")


@kind("40 is only in p0.png", note=True)
def a_class_far_from_the_others(root: Path) -> None:
    Image.fromarray(mask(40)).save(root / "masks" / "p0.png")


@kind("p0.png", "255", "--ignore-index 255")
def unlabelled_pixels(root: Path) -> None:
    save(root, mask(1), mask(2))
    void = mask(2)
    void[-1] = 255
    Image.fromarray(void).save(root / "masks" / "p0.png")


@kind("p0.png", "mask value 300")
def sixteen_bits_with_large_values(root: Path) -> None:
    replace(root, encoded(Image.fromarray(mask().astype(np.uint16) * 300), "PNG"))


@kind("p0.png", "resized by interpolation")
def resized_by_interpolation(root: Path) -> None:
    small = Image.fromarray(mask(21)).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.NEAREST)
    save(root, np.array(small.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)))


@kind("its palette shows index 0", "one palette")
def palettes_that_contradict_each_other(root: Path) -> None:
    for number in range(5):
        odd = number % 2
        image = Image.fromarray(1 - mask() if odd else mask(), "P")
        image.putpalette([255, 255, 255, 0, 0, 0] if odd else [0, 0, 0, 255, 255, 255])
        image.save(root / "masks" / f"p{number}.png")


@kind("index 0 in white", note=True)
def a_white_background(root: Path) -> None:
    for number in range(5):
        image = Image.fromarray(mask(), "P")
        image.putpalette([255, 255, 255, 0, 0, 0])
        image.save(root / "masks" / f"p{number}.png")


@kind("p0.png", "alpha channel")
def the_mask_is_the_alpha_channel(root: Path) -> None:
    grey = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    grey[..., 3] = mask(255)
    replace(root, encoded(Image.fromarray(grey), "PNG"))


@kind("p0.jpg", "masks are PNG files")
def a_jpeg(root: Path) -> None:
    replace(root, encoded(Image.fromarray(mask(255)), "JPEG"), "p0.jpg")


@kind("p0.png", "10 × 10 pixels, but its image p0.png has 24 × 20")
def another_size(root: Path) -> None:
    replace(root, encoded(Image.new("L", (10, 10)), "PNG"))


@kind("p9.png", "no image of that name")
def a_mask_without_a_photo(root: Path) -> None:
    Image.fromarray(mask()).save(root / "masks" / "p9.png")


@kind("p0_mask.png", "no image of that name")
def a_mask_with_an_ending_of_its_own(root: Path) -> None:
    (root / "masks" / "p0.png").rename(root / "masks" / "p0_mask.png")


@kind("p0.png", "empty")
def an_empty_file(root: Path) -> None:
    replace(root, b"")


@kind("p0.png", "truncated or damaged")
def a_truncated_file(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
    replace(root, encoded(Image.fromarray(noise), "PNG")[:-30])


@kind("p0.png", "not an image")
def text(root: Path) -> None:
    replace(root, b"no mask")


@kind("masks in sub-folders are not read", note=True)
def in_sub_folders(root: Path) -> None:
    (root / "masks" / "site").mkdir()
    (root / "masks" / "p0.png").rename(root / "masks" / "site" / "p0.png")


# -- classes.txt ----------------------------------------------------------------------------------


def classes(root: Path, content: bytes) -> None:
    (root / "classes.txt").write_bytes(content)


@kind(*SOUND)
def classes_of_windows(root: Path) -> None:
    classes(root, "back\r\nfront\r\n".encode("utf-8-sig"))


@kind("classes.txt line 2", "empty")
def classes_with_an_empty_line(root: Path) -> None:
    classes(root, b"back\n\nfront\n")


@kind("classes.txt line 2", "twice")
def classes_with_a_name_twice(root: Path) -> None:
    classes(root, b"back\nback\n")


@kind("p0.png", "mask value 2 is none of the 2 classes")
def too_few_classes(root: Path) -> None:
    classes(root, b"back\nfront\n")
    Image.fromarray(mask(2)).save(root / "masks" / "p0.png")


@kind("classes.txt", "cannot be read")
def classes_in_utf_16(root: Path) -> None:
    classes(root, "back\nfront\n".encode("utf-16"))


@kind("classes.txt", "0 classes")
def classes_without_a_line(root: Path) -> None:
    classes(root, b"")


@kind("palette.txt line 1", "R G B NAME")
def a_palette_with_hexadecimal_colours(root: Path) -> None:
    (root / "palette.txt").write_text("000000 back\nff0000 front\n")


@kind("palette.txt line 2", "0 to 255")
def a_palette_with_a_colour_out_of_range(root: Path) -> None:
    (root / "palette.txt").write_text("0 0 0 back\n0 300 0 front\n")


@pytest.mark.parametrize("case", kind.all, ids=lambda case: case.name)
def test_masks(case: Kind, tmp_path: Path) -> None:
    check(case, tmp_path / "photos")
