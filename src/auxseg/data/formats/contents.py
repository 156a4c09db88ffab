"""What the pixels of a mask file are: class indices, black and white, colours, or transparency."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from PIL import Image

from auxseg.data.decode import read_picture
from auxseg.data.formats.pairs import Pairs, find_pairs
from auxseg.errors import DataError

Kind = Literal["indices", "black and white", "colours", "alpha"]
T = TypeVar("T")

#: Masks of 0 and 255 that were interpolated or saved as JPEG have at least so many other values,
_MANY = 16
#: which lie on so small a share of their pixels away from the two ends,
_FEW = 0.1
#: where an end is so wide.
_END = 32


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


def kind_of(path: Path) -> Kind:
    """What one mask's pixels are.

    Raises:
        DataError: undecodable.
    """
    picture = read_picture(path)
    if alpha_values(picture) is not None:
        return "alpha"
    values = grey_values(picture)
    if values is None:
        return "colours"
    if picture.mode == "1":
        return "black and white"
    if picture.mode == "P":
        return "indices"
    return "black and white" if is_black_and_white(values) else "indices"


def is_black_and_white(values: np.ndarray) -> bool:
    """Whether grey values are 0 and 255, or were before they were interpolated or saved as JPEG."""
    if values.min() < 0 or values.max() > 255:
        return False
    pixels = np.bincount(values.ravel().astype(np.int64), minlength=256)
    present = np.flatnonzero(pixels)
    between = present[(present > 0) & (present < 255)]
    if not between.size:
        return bool(pixels[255])
    away = pixels[_END : 256 - _END].sum() / pixels.sum()
    return bool(between.size >= _MANY and away <= _FEW and pixels[256 - _END :].sum())


@lru_cache(maxsize=4)
def survey(source: Path) -> tuple[Pairs, Kind | None, str]:
    """The photos and masks of a source, and what most of its masks are.

    Returns:
        the pairs; the kind, None without a readable mask; a mask of that kind, from the source on.
    """
    pairs = find_pairs(source)
    files = [one.path for masks in pairs.masks.values() for one in masks]
    kinds = [
        (kind, path) for kind, path in zip(in_threads(_kind, files), files, strict=True) if kind
    ]
    if not kinds:
        return pairs, None, ""
    # A mask that is all background looks like one of indices.
    counts = Counter(kind for kind, path in kinds)
    special = [kind for kind, _ in counts.most_common() if kind != "indices"]
    chosen: Kind = "indices"
    if special and (counts[special[0]] >= counts["indices"] or _mostly_empty(kinds)):
        chosen = special[0]
    first = next(path for kind, path in kinds if kind == chosen)
    return pairs, chosen, first.relative_to(source).as_posix()


def _kind(path: Path) -> Kind | None:
    try:
        return kind_of(path)
    except DataError:
        return None  # reading it for its photo tells what is wrong


def _mostly_empty(kinds: Sequence[tuple[Kind, Path]]) -> bool:
    """Whether the masks of indices hold nothing but zeros."""
    indices = [path for kind, path in kinds if kind == "indices"]
    return all(not np.asarray(read_picture(path)).any() for path in indices)


def in_threads(work: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """``work`` of every item, in order."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))
