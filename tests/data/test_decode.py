"""Every kind of file that hides behind an image's name is read, or refused by name and reason."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.data.decode import read_colour_mask, read_image, read_mask, stretch
from auxseg.errors import DataError, UnreadableImageError
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames, Sample


def photo(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth picture (so JPEG keeps it) whose four corners differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_opencv(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("P", "PNG"),
        ("RGB", "BMP"),
        ("RGB", "TIFF"),
        ("RGB", "WEBP"),
    ],
)
def test_reads_what_the_bytes_are_whatever_the_name_says(
    tmp_path: Path, mode: str, kind: str
) -> None:
    path = tmp_path / "pet.jpg"
    path.write_bytes(encoded(Image.fromarray(photo()).convert(mode), kind))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == (40, 60, 3)
    # torch.from_numpy warns of arrays that it may not write to.
    assert image.flags.writeable
    # 48: a web-safe palette is that coarse; everything else is far nearer.
    assert np.abs(image.astype(int) - photo()).max() <= 48


def test_jpeg_pixels_are_opencv_s(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(photo()), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    expected = by_opencv(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), expected)


def test_grey_image_has_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(photo()[..., 0]).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image, np.repeat(photo()[..., :1], 3, axis=2))


def test_sixteen_bit_grey_keeps_its_upper_bits(tmp_path: Path) -> None:
    values = (photo()[..., 0].astype(np.uint16) << 8) + 99
    assert cv2.imwrite(str(tmp_path / "a.png"), values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 1], photo()[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(photo()), kind, exif=exif)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    # OpenCV applies the orientation by code of its own.
    expected = by_opencv(data)
    np.testing.assert_array_equal(read_image(path), expected)
    assert read_image(path).shape[:2] == ((40, 60) if orientation < 5 else (60, 40))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_file_is_unreadable(tmp_path: Path, kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UnreadableImageError, match=r"cut\.jpg: .*(truncated|decoded)") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b"\xff\xd8\xff" + b"rubbish" * 9 + b"\xff\xd9", "not an image|decoded"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UnreadableImageError, match=rf"a\.jpg: .*({reason})"):
        read_image(tmp_path / "a.jpg")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"gone\.jpg: cannot be read \(No such file"):
        read_image(tmp_path / "gone.jpg")


def test_float_image_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImageError, match=r"a\.tif: floating-point"):
        read_image(tmp_path / "a.tif")


def test_slightly_corrupt_jpeg_is_read_without_noise_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = encoded(Image.fromarray(photo()), "JPEG")
    corrupt = data[:-2] + bytes(200) + data[-2:]
    (tmp_path / "a.jpg").write_bytes(corrupt)
    assert read_image(tmp_path / "a.jpg").shape == (40, 60, 3)
    assert capfd.readouterr() == ("", "")


def test_palette_mask_gives_the_index_not_the_colour(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    mask = Image.fromarray(indices).convert("L")
    mask.putpalette([value for index in range(256) for value in (200, 255 - index, 7)])
    assert mask.mode == "P"
    mask.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), indices)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_grey_mask_gives_its_values(tmp_path: Path, mode: str) -> None:
    values = np.array([[0, 1, 2], [3, 200, 255]], dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, values)


def test_one_bit_mask_gives_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1").save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), [[0, 1]])


def test_sixteen_bit_mask_is_read_up_to_255(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "m.png"), np.array([[0, 255]], np.uint16))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), [[0, 255]])
    assert cv2.imwrite(str(tmp_path / "m.png"), np.array([[0, 256]], np.uint16))
    with pytest.raises(DataError, match=r"m\.png: mask value 256; .*0 to 255"):
        read_mask(tmp_path / "m.png")


def test_coloured_or_broken_mask_is_an_error_not_an_unreadable_image(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "colour.png")
    (tmp_path / "broken.png").write_bytes(b"no")
    for name, reason in {"colour.png": "colour", "broken.png": "not an image"}.items():
        with pytest.raises(DataError, match=rf"{name}: .*{reason}") as caught:
            read_mask(tmp_path / name)
        # The image of an unreadable *mask* must not be left out in silence.
        assert not isinstance(caught.value, UnreadableImageError)


def test_colour_mask_is_rgb(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_colour_mask(tmp_path / "m.png"), photo())
    (tmp_path / "m.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"m\.png: the file is empty"):
        read_colour_mask(tmp_path / "m.png")


def test_stretch_averages_when_it_shrinks_and_invents_no_class() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = rng.choice(np.array([0, 7, 255], np.uint8), (64, 64))
    box = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    small = stretch(Sample(image, mask, label=3, box=box), 16)
    means = image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(small.image - means).max() <= 1
    assert small.mask is not None
    assert set(np.unique(small.mask)) == {0, 7, 255}
    assert small.box is box
    assert small.label == 3


SIDES = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, size=SIDES, seed=st.integers(0, 99))
def test_a_mask_is_stretched_as_pillow_does(height: int, width: int, size: int, seed: int) -> None:
    """Whose nearest pixel is the one at the new pixel's centre; but for ties."""
    mask = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    small = stretch(Sample(np.zeros((height, width, 3), np.uint8), mask), size).mask
    resized = Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST)
    rows, columns = (
        [index for index in range(size) if (2 * index + 1) * side % (2 * size)]
        for side in (height, width)
    )
    assert small is not None
    grid = np.ix_(rows, columns)
    np.testing.assert_array_equal(small[grid], np.asarray(resized)[grid])


@pytest.mark.parametrize(("width", "size"), [(60, 16), (200, 96), (97, 32), (40, 40), (20, 48)])
def test_masks_go_there_and_back_without_a_shift(width: int, size: int) -> None:
    """An edge comes back within half a training pixel, and over all edges to no side of it."""
    off = []
    for edge in range(size // 16 + 1, width):
        mask = np.zeros((3, width), np.uint8)
        mask[:, edge:] = 1
        off.append(int(mask.sum()) // 3 - int(there_and_back(mask, size)[1].sum()))
    pixel = max(1.0, width / size)
    assert np.abs(off).max() <= 0.5 * pixel + 1
    assert abs(np.mean(off)) <= 0.1 * pixel


def there_and_back(mask: np.ndarray, size: int) -> np.ndarray:
    """A mask as a perfect network answers it for the photo."""
    classes = ClassNames(("background", "animal"), ())
    small = stretch(Sample(np.zeros((*mask.shape, 3), np.uint8), mask), size).mask
    logits = F.one_hot(torch.from_numpy(small).long(), 2).permute(2, 0, 1).float()
    return Segmentation(classes).decode(logits, mask.shape)


def test_stretch_to_a_larger_size_interpolates() -> None:
    image = np.zeros((2, 3, 3), dtype=np.uint8)
    image[:, 2] = 200
    large = stretch(Sample(image), 12)
    assert large.image.shape == (12, 12, 3)
    assert large.mask is None
    assert len(np.unique(large.image)) > 2


def test_twelve_bits_in_a_tiff_that_says_so(tmp_path: Path) -> None:
    """A microscope's photo: 0 to 4095 in 16 bits. Without the tag it would be nearly black."""
    values = np.linspace(0, 4095, 40 * 60).reshape(40, 60).astype(np.uint16)
    image = Image.fromarray(values)
    image.save(tmp_path / "with.tif", tiffinfo={281: 4095})
    image.save(tmp_path / "without.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "with.tif")[..., 1], values >> 4)
    np.testing.assert_array_equal(read_image(tmp_path / "without.tif")[..., 1], values >> 8)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        ("a.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC"),
        ("a.nef", b"a camera's own", "camera raw"),
        ("a.jxl", b"\xff\x0a", "JPEG XL"),
    ],
)
def test_a_format_that_is_not_read_is_named(
    name: str, content: bytes, kind: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImageError, match=rf"{name}: {kind} files are not read; convert"):
        read_image(tmp_path / name)
