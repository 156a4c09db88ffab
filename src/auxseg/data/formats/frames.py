"""In which frame labels were drawn: the photo as it is shown, as it is stored, or at another size.

A camera stores a photo as its sensor saw it, and EXIF says how to turn it. Some annotation tools
turn photos, others do not; some write labels for a photo that was made smaller since.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from auxseg.data.formats.journal import Journal
from auxseg.errors import DataError

#: The EXIF tag for how a photo is to be turned.
_ORIENTATION = 274
#: Sizes that differ by so many pixels are the same picture: strides and rounding cut them.
FEW = 4
#: Shapes that differ by so much of the longer side are the same picture at another size.
_SAME_SHAPE = 0.01

#: Orientation → how Pillow turns what is stored.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Frame:
    """A photo's size and how it is turned.

    Attributes:
        stored: width and height in the file.
        orientation: EXIF's number, 1 to 8; 1 is upright.
    """

    stored: tuple[int, int]
    orientation: int = 1

    @classmethod
    def of(cls, photo: Path | bytes) -> Frame:
        """Reads the head of an image file that is known to be sound."""
        with Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
            if image.format == "TIFF":
                image.load()  # which turns it, and removes the tag
            orientation = image.getexif().get(_ORIENTATION, 1)
            return cls(image.size, orientation if orientation in _TURNS else 1)

    @property
    def sideways(self) -> bool:
        """Whether turning it swaps width and height."""
        return self.orientation >= 5

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the photo as it is shown."""
        width, height = self.stored
        return (height, width) if self.sideways else (width, height)

    def turn_mask(self, mask: np.ndarray) -> np.ndarray:
        """From the frame that is stored to the one that is shown; any size, uint8 (H, W)."""
        if self.orientation == 1:
            return mask
        return np.array(Image.fromarray(mask).transpose(_TURNS[self.orientation]))

    def turn_points(self, points: np.ndarray) -> np.ndarray:
        """The same for points, float (n, 2): x and y, from the left and upper edge."""
        width, height = self.stored
        x, y = points[:, 0], points[:, 1]
        turned = {
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (height - y, x),
            7: (height - y, width - x),
            8: (y, width - x),
        }.get(self.orientation, (x, y))
        return np.stack(turned, axis=1)


@dataclass(frozen=True)
class Placing:
    """How labels that were drawn on a picture of some size lie on a photo.

    Attributes:
        drawn: width and height that the labels were drawn at.
        turned: whether they were drawn on the photo as it is stored, so that they are to be turned.
    """

    frame: Frame
    drawn: tuple[int, int]
    turned: bool

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points in pixels of the upright photo, float (n, 2)."""
        target = self.frame.stored if self.turned else self.frame.upright
        scaled = points * (np.array(target) / np.array(self.drawn))
        return self.frame.turn_points(scaled) if self.turned else scaled

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the upright photo, uint8 (H, W)."""
        target = self.frame.stored if self.turned else self.frame.upright
        if mask.shape != target[::-1]:
            mask = cv2.resize(mask, target, interpolation=cv2.INTER_NEAREST_EXACT)
        return self.frame.turn_mask(mask) if self.turned else mask


def place(frame: Frame, drawn: tuple[int, int] | None, journal: Journal, what: str) -> Placing:
    """Finds out how labels lie on a photo, from the size that they were drawn at.

    Args:
        drawn: width and height; None where the label file does not say, or measures in shares.
        what: "outlines" or "mask", for the journal.

    Raises:
        DataError: neither the photo's size nor its shape.
    """
    if drawn is None:
        if frame.orientation != 1:
            _tell_ambiguous(frame, journal)
        return Placing(frame, frame.upright, turned=False)
    if min(drawn) < 1:
        raise DataError(f"{what} of a picture of {drawn[0]} × {drawn[1]} pixels")
    if drawn == frame.upright:
        if frame.orientation != 1 and drawn == frame.stored:
            _tell_ambiguous(frame, journal)
        return Placing(frame, drawn, turned=False)
    if frame.sideways and drawn == frame.stored:
        journal.repaired(f"{what} of the photo as it is stored, turned as its EXIF data say")
        return Placing(frame, drawn, turned=True)
    for turned, target in ((False, frame.upright), (frame.sideways, frame.stored)):
        if _same_picture(drawn, target):
            sizes = f"{drawn[0]} × {drawn[1]} to {target[0]} × {target[1]}"
            if turned:
                journal.repaired(f"{what} of the photo as it is stored, turned as EXIF says")
            journal.repaired(f"{what} of another size than the photo, stretched to it", sizes)
            return Placing(frame, drawn, turned)
    raise DataError(
        f"{what} of a picture of {drawn[0]} × {drawn[1]} pixels, but the photo has "
        f"{frame.upright[0]} × {frame.upright[1]}"
    )


def _same_picture(drawn: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether one is the other at another size, or cut by a few pixels."""
    if all(abs(a - b) <= FEW for a, b in zip(drawn, target, strict=True)):
        return True
    scale = max(drawn) / max(target)
    return all(
        abs(a - b * scale) <= max(_SAME_SHAPE * max(drawn), 1)
        for a, b in zip(drawn, target, strict=True)
    )


def _tell_ambiguous(frame: Frame, journal: Journal) -> None:
    journal.decided(
        "EXIF data turn the photo, and nothing tells whether it was labelled before or after: "
        "taken as after",
        f"orientation {frame.orientation}",
    )
