"""Which photos of a folder look alike, so that they belong into one part of a split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from auxseg.data.decode import read_image
from auxseg.data.likeness import fingerprint, groups
from auxseg.data.observations import digest
from auxseg.data.threads import in_threads
from auxseg.errors import UnreadableImageError


def look_alikes(photos: Sequence[Path]) -> list[list[int]]:
    """Groups of at least two photos, by number; reads every photo."""
    prints = in_threads(_print, photos, "looking for photos that look alike")
    return groups({number: one for number, one in enumerate(prints) if one is not None})


def _print(photo: Path) -> int | None:
    try:
        state = photo.stat()
    except OSError:
        return None
    return _print_of(photo, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1 << 20)
def _print_of(photo: Path, size: int, changed: int) -> int | None:
    """The fingerprint; of a photo of one colour, which has none, a number that copies share.

    Kept while the program runs: a data set is opened several times.
    """
    try:
        image = read_image(photo)
    except UnreadableImageError:
        return None  # said, and left out, when it is decoded
    return fingerprint(image) or digest(image)
