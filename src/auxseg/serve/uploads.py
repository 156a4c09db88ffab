"""From the bytes of a request to a photo or a mask."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from auxseg.data.decode import from_picture
from auxseg.data.files import IMAGE_ENDINGS
from auxseg.errors import AuxsegError, DataError

#: Pillow's names of the formats that are read; it knows others, which start programs.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")


class TooLargeError(AuxsegError):
    """More bytes or pixels than allowed."""


def read_photo(stream: BinaryIO, pixels: int) -> np.ndarray:
    """Decodes an upload; its name is never looked at.

    Args:
        pixels: how many it may have; asked of its head, before anything is decoded.

    Returns:
        uint8 (H, W, 3), upright.

    Raises:
        TooLargeError: more pixels.
        DataError: no photo that can be read.
    """
    try:
        with warnings.catch_warnings():
            # Of many pixels; that is said below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(f"image: is no photo; allowed are {', '.join(IMAGE_ENDINGS)}") from None
    except Image.DecompressionBombError:
        raise TooLargeError(f"image: more than {pixels / 1e6:.0f} million pixels") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"image: cannot be read ({error})") from None
    if picture.width * picture.height > pixels:
        raise TooLargeError(
            f"image: {picture.width} × {picture.height} pixels; at most {pixels / 1e6:.0f} million "
            "are allowed"
        )
    return from_picture(picture)


def read_mask(stream: BinaryIO, size: tuple[int, int]) -> np.ndarray:
    """A corrected mask: a PNG file of class numbers.

    Args:
        size: height and width that it must have.

    Returns:
        uint8 (H, W).

    Raises:
        DataError: no PNG file, of another size, or in colours.
    """
    try:
        picture = Image.open(stream, formats=["PNG"])
        if (picture.height, picture.width) != size:
            raise DataError(
                f"mask: {picture.width} × {picture.height} pixels; its photo has "
                f"{size[1]} × {size[0]}"
            )
        if picture.mode in ("P", "L"):
            return np.array(picture)
        pixels = np.array(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"mask: is no PNG file that can be read ({error})") from None
    grey = (pixels[..., :3] == pixels[..., :1]).all() and (pixels[..., 3] == 255).all()
    if not grey:
        raise DataError("mask: is in colours; it takes class numbers, as greys or a palette image")
    return pixels[..., 0]
