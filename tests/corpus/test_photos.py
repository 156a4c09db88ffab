"""Photos: formats, damage, names, and what is no photo at all."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .corpus import HEIGHT, SOUND, WIDTH, Kind, Kinds, check, encoded, mask, photo, pixels

kind = Kinds()


# -- formats that are read ------------------------------------------------------------------------


@kind(*SOUND)
def progressive_jpeg(root: Path) -> None:
    photo(root, "p0.jpg", encoded(pixels(9), "JPEG", progressive=True))


@kind(*SOUND)
def cmyk_jpeg(root: Path) -> None:
    photo(root, "p0.jpg", encoded(pixels(9, "CMYK"), "JPEG"))


@kind(*SOUND)
def grey_jpeg(root: Path) -> None:
    photo(root, "p0.jpg", encoded(pixels(9, "L"), "JPEG"))


@kind(*SOUND)
def alpha_png(root: Path) -> None:
    photo(root, "p0.png", encoded(pixels(9, "RGBA"), "PNG"))


@kind(*SOUND)
def palette_png_with_transparency(root: Path) -> None:
    photo(root, "p0.png", encoded(pixels(9, "P"), "PNG", transparency=0))


@kind(*SOUND)
def animated_gif(root: Path) -> None:
    frames = [pixels(n, "P") for n in (8, 9)]
    photo(root, "p0.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


@kind(*SOUND)
def webp(root: Path) -> None:
    photo(root, "p0.webp", encoded(pixels(9), "WEBP"))


@kind(*SOUND)
def bmp(root: Path) -> None:
    photo(root, "p0.bmp", encoded(pixels(9), "BMP"))


@kind(*SOUND)
def sixteen_bit_tiff(root: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    photo(root, "p0.tif", encoded(Image.fromarray(grey), "TIFF"))


@kind(*SOUND)
def compressed_tiff(root: Path) -> None:
    photo(root, "p0.tiff", encoded(pixels(9), "TIFF", compression="tiff_lzw"))


@kind(*SOUND)
def black_and_white(root: Path) -> None:
    photo(root, "p0.png", encoded(pixels(9, "1"), "PNG"))


@kind(*SOUND)
def jpeg_called_png(root: Path) -> None:
    photo(root, "p0.png", encoded(pixels(9), "JPEG"))


@kind(*SOUND)
def upper_case_ending(root: Path) -> None:
    photo(root, "p0.JPG", encoded(pixels(9), "JPEG"))


@kind(*SOUND)
def corrupt_exif(root: Path) -> None:
    photo(root, "p0.jpg", encoded(pixels(9), "JPEG", exif=b"Exif\0\0nothing of the kind"))


@kind(*SOUND)
def one_pixel(root: Path) -> None:
    photo(root, "p0.png", encoded(Image.new("RGB", (1, 1), "white"), "PNG"))
    Image.new("L", (1, 1)).save(root / "masks" / "p0.png")


@kind(*SOUND)
def a_line_of_pixels(root: Path) -> None:
    photo(root, "p0.png", encoded(Image.new("RGB", (3000, 1), "white"), "PNG"))
    Image.new("L", (3000, 1)).save(root / "masks" / "p0.png")


# -- what is not read -----------------------------------------------------------------------------


@kind("p0.tif", "floating-point")
def floating_point_tiff(root: Path) -> None:
    photo(root, "p0.tif", encoded(Image.new("F", (WIDTH, HEIGHT), 0.5), "TIFF"))


@kind("p0.jpg", "truncated")
def truncated_jpeg(root: Path) -> None:
    photo(root, "p0.jpg", encoded(pixels(9), "JPEG")[:-400])


@kind("p0.png", "truncated or damaged")
def truncated_png(root: Path) -> None:
    photo(root, "p0.png", encoded(pixels(9), "PNG")[:-200])


@kind("p0.jpg", "empty")
def empty_file(root: Path) -> None:
    photo(root, "p0.jpg", b"")


@kind("p0.jpg", "not an image")
def text_called_jpg(root: Path) -> None:
    photo(root, "p0.jpg", b"I am no photo")


@kind("p0.jpg", "not an image")
def page_of_a_failed_download(root: Path) -> None:
    photo(root, "p0.jpg", b"<!doctype html><html><body>404 Not Found</body></html>")


@kind("p0.jpg", "not an image")
def zeros(root: Path) -> None:
    photo(root, "p0.jpg", bytes(5000))


@kind("p0.png", "not an image")
def svg_called_png(root: Path) -> None:
    photo(root, "p0.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>')


@kind("p0.png", "decompression bomb")
def decompression_bomb(root: Path) -> None:
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    photo(root, "p0.png", content)


@kind("p0.heic", "HEIC", "convert it")
def heic(root: Path) -> None:
    photo(root, "p0.heic", b"\0\0\0\x18ftypheic\0\0\0\0")


@kind("p0.nef", "camera raw")
def camera_raw(root: Path) -> None:
    photo(root, "p0.nef", b"II*\0")


@kind("p0.png", "turned as its EXIF data say")
def turned_photo_with_an_unturned_mask(root: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    (root / "images" / "p0.png").unlink()
    pixels(9).save(root / "images" / "p0.jpg", exif=exif)


@kind(*SOUND)
def turned_photo_with_a_turned_mask(root: Path) -> None:
    turned_photo = Image.Exif()
    turned_photo[274] = 6
    (root / "images" / "p0.png").unlink()
    pixels(9).save(root / "images" / "p0.jpg", exif=turned_photo)
    Image.fromarray(np.rot90(mask(), -1)).save(root / "masks" / "p0.png")


# -- names and folders ----------------------------------------------------------------------------


def renamed(root: Path, stem: str | bytes) -> None:
    for part in ("images", "masks"):
        source = os.fsencode(root / part / "p0.png")
        name = stem if isinstance(stem, bytes) else os.fsencode(stem)
        os.rename(source, os.fsencode(root / part) + b"/" + name + b".png")


@kind(*SOUND)
def spaces_and_dots(root: Path) -> None:
    renamed(root, "  my  photo v1.2 (copy)")


@kind(*SOUND)
def other_scripts(root: Path) -> None:
    renamed(root, "фото 照片 😀")


@kind(*SOUND)
def a_line_break(root: Path) -> None:
    renamed(root, "two\nlines")


@kind(*SOUND)
def a_dash_first(root: Path) -> None:
    renamed(root, "--out")


@kind(*SOUND)
def bytes_that_are_no_text(root: Path) -> None:
    renamed(root, b"caf\xe9")


@kind(*SOUND)
def a_long_name(root: Path) -> None:
    renamed(root, "x" * 240)


@kind("same name before the ending")
def twins(root: Path) -> None:
    (root / "images" / "p0.jpg").write_bytes(encoded(pixels(9), "JPEG"))


@kind("sub-folders are not read", "site/ (1)", note=True)
def a_sub_folder(root: Path) -> None:
    (root / "images" / "site").mkdir()
    pixels(9).save(root / "images" / "site" / "p9.png")


@kind("links that lead nowhere", "gone.jpg", note=True)
def a_link_that_leads_nowhere(root: Path) -> None:
    (root / "images" / "gone.jpg").symlink_to(root / "nowhere.jpg")


@kind(*SOUND)
def a_link_to_a_photo(root: Path) -> None:
    (root / "images" / "p0.png").rename(root / "original.png")
    (root / "images" / "p0.png").symlink_to(root / "original.png")


@kind("no images", "Thumbs.db", note=True)
def a_file_of_the_system(root: Path) -> None:
    (root / "images" / "Thumbs.db").write_bytes(b"windows")


@kind(*SOUND)
def hidden_files(root: Path) -> None:
    for part in ("images", "masks"):
        (root / part / "._p0.png").write_bytes(b"macOS")
        (root / part / ".DS_Store").write_bytes(b"macOS")


@kind("holds no image")
def no_photos(root: Path) -> None:
    shutil.rmtree(root / "images")
    (root / "images").mkdir()


@kind("no known layout")
def an_empty_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


@kind("no such folder")
def no_folder(root: Path) -> None:
    shutil.rmtree(root)


@kind("copies of one another", note=True)
def copies(root: Path) -> None:
    shutil.copy(root / "images" / "p0.png", root / "images" / "p1.png")


@kind("nearly black", note=True)
def twelve_bits_without_a_word(root: Path) -> None:
    for number in range(5):
        grey = np.random.default_rng(number).integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
        Image.fromarray(grey).save(root / "images" / f"p{number}.png")


@pytest.mark.parametrize("case", kind.all, ids=lambda case: case.name)
def test_photos(case: Kind, tmp_path: Path) -> None:
    check(case, tmp_path / "photos")
