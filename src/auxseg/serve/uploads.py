"""From the bytes of a request to a photo."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from auxseg.data.decode import from_picture
from auxseg.data.files import IMAGE_ENDINGS
from auxseg.errors import AuxsegError, DataError


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
            picture = Image.open(stream)
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
    """A corrected mask as the page sends it: a PNG file whose red channel holds the class numbers.

    Args:
        size: height and width that it must have.

    Returns:
        uint8 (H, W).

    Raises:
        DataError: no PNG file, or of another size.
    """
    try:
        picture = Image.open(stream, formats=["PNG"])
        if (picture.height, picture.width) != size:
            raise DataError(
                f"mask: {picture.width} × {picture.height} pixels; its photo has "
                f"{size[1]} × {size[0]}"
            )
        return np.array(picture.convert("RGB"))[..., 0]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"mask: is no PNG file that can be read ({error})") from None
