"""From one image or mask file to an array: decoded whole, or a one-line error that says why not.

Pillow decodes everything. OpenCV gives the same pixels of a JPEG in three quarters of the time,
but its libjpeg writes "Corrupt JPEG data" to the process's stderr for a few of the official files,
and nothing short of decoding tells which. Files are decoded once and then cached, so the quarter
does not matter; OpenCV resizes.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from auxseg.data.files import unread
from auxseg.errors import DataError, UnreadableImageError
from auxseg.types import Sample

# Pillow warns about odd metadata ("Corrupt EXIF data") of files whose pixels it reads well.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

#: The EXIF tag for how a photo is to be turned; 1 for not at all.
_ORIENTATION = 274
#: A TIFF's tag for the largest value that its pixels can have.
_MAX_SAMPLE_VALUE = 281
#: The entry of a decoded image's info for the bits in use.
_BITS = "auxseg bits in use"

_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(path: Path) -> np.ndarray:
    """Decodes a photo, whatever its name's ending claims to be.

    EXIF orientation is applied; an alpha channel is dropped; 16 bits become the upper 8 (of the
    bits that a TIFF's MaxSampleValue says are in use); of an animation the first frame
    is taken.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        UnreadableImageError: empty, truncated, or not an image; names the file and the reason.
    """
    try:
        return np.array(_to_rgb(_open(path)))
    except _DecodeError as error:
        raise UnreadableImageError(f"{path}: {error}") from error


def from_picture(picture: Image.Image) -> np.ndarray:
    """A photo that Pillow has opened, as :func:`read_image` reads its file.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        UnreadableImageError: truncated, or of a pixel format that is not read.
    """
    try:
        upright = ImageOps.exif_transpose(picture)
        upright.info[_BITS] = _bits_in_use(picture)
        return np.array(_to_rgb(upright))
    except _DecodeError as error:
        raise UnreadableImageError(f"image: {error}") from error
    except Exception as error:  # as in reading a file: Pillow decodes late
        raise UnreadableImageError(f"image: {_reason(error)}") from error


def is_turned(path: Path) -> bool:
    """Whether a photo's EXIF data say that it is to be turned or mirrored."""
    try:
        with Image.open(path) as image:
            return bool(image.getexif().get(_ORIENTATION, 1) != 1)
    except (OSError, ValueError, SyntaxError):
        return False  # reading it whole tells what is wrong


def read_mask(path: Path) -> np.ndarray:
    """Decodes a mask of class indices: the index of a palette PNG, else the grey value.

    Returns:
        uint8 (H, W).

    Raises:
        DataError: undecodable, coloured, or with values beyond 0–255; names the file.
    """
    try:
        values = _indices(_open(path))
    except _DecodeError as error:
        raise DataError(f"{path}: {error}") from error
    if values.size and (values.min() < 0 or values.max() > 255):
        worst = values.max() if values.max() > 255 else values.min()
        raise DataError(f"{path}: mask value {worst}; class indices 0 to 255 are allowed")
    return values.astype(np.uint8)


def read_palette_mask(path: Path) -> tuple[np.ndarray, dict[int, tuple[int, int, int]] | None]:
    """Decodes a mask of class indices and what its palette makes them look like.

    Returns:
        uint8 (H, W), and RGB of every value that occurs; None for a file without a palette.

    Raises:
        DataError: as :func:`read_mask`.
    """
    mask = read_mask(path)
    try:
        image = _open(path)
    except _DecodeError as error:
        raise DataError(f"{path}: {error}") from error
    if image.mode != "P":
        return mask, None
    palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist()
    colours = {value: palette[value].tolist() for value in present if value < len(palette)}
    return mask, {value: (r, g, b) for value, (r, g, b) in colours.items()}


def read_colour_mask(path: Path) -> np.ndarray:
    """Decodes a mask whose colours stand for classes.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        DataError: the file cannot be decoded; names it and the reason.
    """
    try:
        return np.array(_to_rgb(_open(path)))
    except _DecodeError as error:
        raise DataError(f"{path}: {error}") from error


def read_picture(path: Path) -> Image.Image:
    """The decoded first frame of an image file, upright, in the file's own mode.

    Raises:
        DataError: the file cannot be decoded; names it and the reason.
    """
    try:
        return _open(path)
    except _DecodeError as error:
        raise DataError(f"{path}: {error}") from error


def stretch(sample: Sample, size: int) -> Sample:
    """Stretches image and mask to ``(size, size)``; the box is relative and stays as it is."""
    return resized(sample, size, size)


def resized(sample: Sample, height: int, width: int) -> Sample:
    """Image and mask at another size; the box is relative and stays as it is.

    The image is averaged over areas when it loses pixels, else interpolated bilinearly; the mask
    takes the pixel nearest to each new pixel's centre, so no new class appears, and nothing is
    shifted against the image (cv2.INTER_NEAREST takes the pixel at each new pixel's corner).
    """
    before = sample.image.shape[:2]
    if before == (height, width):
        return sample
    fewer = before[0] * before[1] > height * width
    method = cv2.INTER_AREA if fewer else cv2.INTER_LINEAR
    image = cv2.resize(sample.image, (width, height), interpolation=method)
    mask = sample.mask
    if mask is not None:
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return replace(sample, image=image, mask=mask)


class _DecodeError(Exception):
    """Why a file cannot be decoded, without the file's name."""


def _open(path: Path) -> Image.Image:
    """The decoded first frame, upright."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _DecodeError(f"cannot be read ({error.strerror})") from error
    if not data:
        raise _DecodeError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        upright = ImageOps.exif_transpose(image)
        upright.info[_BITS] = _bits_in_use(image)  # its tags are lost on the way
        return upright
    except UnidentifiedImageError as error:
        raise _DecodeError(_kind(data, path)) from error
    except Exception as error:  # Pillow's decoders raise nearly every built-in class on bad bytes
        raise _DecodeError(_reason(error)) from error


def _kind(data: bytes, path: Path) -> str:
    """What a file is that Pillow does not know."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    name = {b"avif": "AVIF", b"avis": "AVIF"}.get(brand) or (
        "HEIC" if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1") else unread(path)
    )
    if name is None:
        return "not an image"
    return f"{name} files are not read; convert it to JPEG or PNG"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if any(sign in text.lower() for sign in ("truncated", "broken data stream", "broken png")):
        return f"the file is truncated or damaged ({text})"
    return f"cannot be decoded ({text or type(error).__name__})"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise _DecodeError("more than 16 bits per channel; 8 and 16 are read")
        shift = max(0, image.info[_BITS] - 8)
        return Image.fromarray(np.minimum(values >> shift, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise _DecodeError("floating-point pixels; 8 and 16 bits per channel are read")
    if image.mode == "P" and "transparency" in image.info:
        # Straight to RGB would lose the palette's alpha with a warning on stderr.
        image = image.convert("RGBA")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise _DecodeError(f"pixel format {image.mode} is not read") from error


def _bits_in_use(image: Image.Image) -> int:
    """How many bits of a 16-bit file hold its values, where the file says so; else 16."""
    tags = getattr(image, "tag_v2", None) or {}
    largest = tags.get(_MAX_SAMPLE_VALUE)
    if isinstance(largest, tuple):
        largest = max(largest, default=None)
    if isinstance(largest, int) and 0 < largest < 65536:
        return max(8, largest.bit_length())
    return 16


def _indices(image: Image.Image) -> np.ndarray:
    """(H, W) integers of a palette, grey or grey-as-RGB image."""
    if image.mode in ("LA", "PA", "RGBA"):
        channels = np.asarray(image)
        alpha, colours = channels[..., -1], channels[..., :-1]
        if (colours == colours[:1, :1]).all() and alpha.min() != alpha.max():
            raise _DecodeError(
                "what it shows lies in the alpha channel, which is not read; `auxseg data "
                "convert` makes class indices of it"
            )
    if image.mode in ("P", "L", "1", *_SIXTEEN_BIT_MODES):
        return np.asarray(image).astype(np.int64)
    if image.mode in ("LA", "PA"):
        return np.asarray(image)[..., 0].astype(np.int64)
    if image.mode in ("RGB", "RGBA"):
        channels = np.asarray(image)[..., :3]
        if (channels == channels[..., :1]).all():
            return channels[..., 0].astype(np.int64)
        raise _DecodeError(
            "a colour image; masks hold class indices, or colours of a palette file; `auxseg data "
            "convert` finds the colours"
        )
    raise _DecodeError(f"pixel format {image.mode}; masks hold class indices of 8 bits")
