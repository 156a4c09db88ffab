"""Arrays that come from Python instead of a file: photos in whichever form libraries give them."""

from __future__ import annotations

import numpy as np

from auxseg.errors import UsageError


def as_photo(array: np.ndarray) -> np.ndarray:
    """An array of a photo, in the form that files are read in.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4), whose alpha channel is dropped; uint8,
            or uint16, of which the upper 8 bits are taken. Floating-point numbers are refused:
            libraries let them run to 1, to 255 or around 0, and a dark photo fits all of these.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UsageError: another shape, type or range; says what is allowed.
    """
    array = np.asarray(array)
    grey = array.ndim == 2
    if (array.ndim != 3 and not grey) or 0 in array.shape:
        raise _refused(f"has shape {array.shape}")
    if not grey and array.shape[2] not in (1, 3, 4):
        channels_first = array.shape[0] in (1, 3, 4)
        hint = "; array.transpose(1, 2, 0) brings the channels last" if channels_first else ""
        raise _refused(f"has shape {array.shape}", hint)
    pixels = _eight_bits(array[..., None] if grey else array[..., :3])
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _eight_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    hint = ""
    if array.dtype.kind == "f":
        hint = "; where its values run to 1: (array * 255).round().astype(numpy.uint8)"
    raise _refused(f"is of type {array.dtype}", hint)


def _refused(what: str, hint: str = "") -> UsageError:
    return UsageError(
        f"image: the array {what}; a photo is (H, W, 3) or (H, W), of type uint8 or uint16{hint}"
    )
