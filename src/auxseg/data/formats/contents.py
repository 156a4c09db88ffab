"""What the pixels of a mask file are: class indices, black and white, colours, or transparency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from auxseg.data.decode import read_picture
from auxseg.data.formats.pairs import Pairs, find_pairs
from auxseg.data.threads import in_threads
from auxseg.errors import DataError

Kind = Literal["indices", "black and white", "colours", "alpha"]

#: Masks of 0 and 255 that were interpolated or saved as JPEG have at least so many other values,
_MANY = 16
#: which lie on so small a share of their pixels away from the two ends,
_FEW = 0.1
#: where an end is so wide.
_END = 32
#: Those of a tiny thing have at least so many, and each of them on so few pixels on average.
_SEVERAL, _EACH = 3, 4


def grey_values(picture: Image.Image) -> np.ndarray | None:
    """(H, W) integers of a grey picture, of one saved with three equal channels, or of a palette's
    indices; None for a picture in colours."""
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if picture.mode in ("P", "L", "I", "I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(picture)
    channels = np.asarray(picture)
    if picture.mode in ("LA", "PA"):
        return channels[..., 0]
    if picture.mode in ("RGB", "RGBA"):
        colours = channels[..., :3]
        return colours[..., 0] if (colours == colours[..., :1]).all() else None
    return None


def alpha_values(picture: Image.Image) -> np.ndarray | None:
    """uint8 (H, W): the transparency of a picture of one colour, which is all that it shows."""
    if picture.mode not in ("LA", "PA", "RGBA"):
        return None
    channels = np.asarray(picture)
    alpha, colours = channels[..., -1], channels[..., :-1]
    seen = colours[alpha > 0]
    if alpha.min() == alpha.max() or not (seen == seen[:1]).all():
        return None
    return alpha


@dataclass(frozen=True)
class Look:
    """What one mask's pixels are.

    Attributes:
        several: whether the file has several channels, so that it could show colours.
        values: the values of indices.
        colours: RGB of the indices that occur, by the file's palette; None without one.
        alpha: RGB of what is opaque, of a mask that shows by its transparency.
    """

    kind: Kind
    several: bool = False
    values: frozenset[int] = frozenset()
    colours: Mapping[int, tuple[int, ...]] | None = None
    alpha: tuple[int, ...] | None = None


def look(path: Path) -> Look:
    """Looks at one mask.

    Raises:
        DataError: undecodable, or floating-point pixels.
    """
    picture = read_picture(path)
    if alpha_values(picture) is not None:
        channels = np.asarray(picture)
        return Look("alpha", alpha=tuple(channels[channels[..., -1] > 0][0, :-1].tolist()))
    several = picture.mode in ("RGB", "RGBA")
    values = grey_values(picture)
    if values is None:
        if picture.mode == "F":
            raise DataError(f"{path}: floating-point pixels; masks hold whole numbers")
        return Look("colours", several)
    present = frozenset(np.unique(values).tolist())
    if picture.mode == "P":
        table = np.array(picture.getpalette("RGB")).reshape(-1, 3)
        shown = {one: tuple(table[one].tolist()) for one in present if one < len(table)}
        return Look("indices", values=present, colours=shown)
    black_white = picture.mode == "1" or is_black_and_white(values)
    return Look("black and white" if black_white else "indices", several, present)


def is_black_and_white(values: np.ndarray) -> bool:
    """Whether grey values are 0 and 255, or were before they were interpolated or saved as JPEG."""
    if values.min() < 0 or values.max() > 255:
        return False
    pixels = np.bincount(values.ravel().astype(np.int64), minlength=256)
    present = np.flatnonzero(pixels)
    between = present[(present > 0) & (present < 255)]
    if not between.size:
        return bool(pixels[255])
    if not pixels[256 - _END :].sum():
        return False
    away = pixels[_END : 256 - _END].sum() / pixels.sum()
    blurred = between.size >= _MANY and away <= _FEW
    # The border of a tiny thing has few pixels, each of another grey; numbers of classes are small.
    scattered = (
        between.size >= _SEVERAL
        and between.max() >= _END
        and pixels[between].sum() <= _EACH * between.size
        and pixels.argmax() == 0
    )
    return bool(blurred or scattered)


@dataclass(frozen=True)
class Survey:
    """The photos and masks of a source.

    Attributes:
        kind: what most of its masks are; None without a readable one.
        looks: of every mask that can be read.
        first: a mask of that kind, from the source on.
    """

    pairs: Pairs
    kind: Kind | None
    looks: Mapping[Path, Look]
    first: str

    @property
    def by_class(self) -> bool:
        """Whether each mask is of one class, so that a photo has several.

        Folders around masks of several values each are batches, and no classes.
        """
        if not self.pairs.by_class or self.kind is None:
            return False
        single = all(len(ones) == 1 for ones in self.pairs.masks.values())
        marks = [one.values - {0} for one in self.looks.values()]
        return not single or self.kind != "indices" or all(len(one) <= 1 for one in marks)


@lru_cache(maxsize=2)
def survey(source: Path) -> Survey:
    """Looks at all masks of a source. What it found is kept until :func:`forget`."""
    pairs = find_pairs(source)
    found = zip(pairs.files, in_threads(_look, pairs.files, "reading masks"), strict=True)
    looks = {path: one for path, one in found if one is not None}
    if not looks:
        return Survey(pairs, None, looks, "")
    kind = _kind(list(looks.values()))
    first = next((path for path, one in looks.items() if one.kind == kind), next(iter(looks)))
    return Survey(pairs, kind, looks, first.relative_to(source).as_posix())


def forget() -> None:
    """The next survey looks again: files may have changed."""
    survey.cache_clear()


def _kind(looks: Sequence[Look]) -> Kind:
    """What most masks are; a mask without anything but background says nothing."""
    marked = [one for one in looks if one.kind != "indices" or one.values != {0}] or looks
    counts = Counter(one.kind for one in marked)
    if contradictory([one.colours for one in marked if one.colours is not None]):
        return "colours"
    # Of masks saved in three channels one in colours shows what all of them are.
    if counts["colours"] and all(one.several for one in marked):
        return "colours"
    return counts.most_common(1)[0][0]


def contradictory(palettes: Sequence[Mapping[int, tuple[int, ...]]]) -> bool:
    """Whether two masks' palettes show one index in two colours: then colours are what counts."""
    seen: dict[int, tuple[int, ...]] = {}
    return any(
        seen.setdefault(index, colour) != colour
        for palette in palettes
        for index, colour in palette.items()
    )


def _look(path: Path) -> Look | None:
    try:
        return look(path)
    except DataError:
        return None  # reading it for its photo tells what is wrong
