"""Masks that are drawn in one colour and show by their transparency."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Format, Options, Source
from auxseg.data.formats.black_white import HALF
from auxseg.data.formats.contents import alpha_values, survey
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import names_for, one_mask_items
from auxseg.errors import DataError


class Alpha(Format):
    """Pictures of one colour with an alpha channel: what is opaque is the class that was drawn."""

    NAME: ClassVar[str] = "alpha"
    TITLE: ClassVar[str] = "masks in the alpha channel"

    @classmethod
    def recognises(cls, source: Path) -> str | None:
        if not source.is_dir():
            return None
        found = survey(source)
        return (
            f"{found.first} is of one colour and partly transparent"
            if found.kind == "alpha"
            else None
        )

    @classmethod
    def read(cls, source: Path, options: Options, journal: Journal) -> Source:
        found = survey(source)
        pairs = found.pairs
        colours = {one.alpha for one in found.looks.values() if one.alpha is not None}
        if len(colours) > 1:
            some = " and ".join(" ".join(map(str, one)) for one in sorted(colours)[:2])
            raise DataError(f"{source}: the masks are of several colours, {some}: one class each?")
        classes = names_for(2, source, options, journal)
        journal.decided(f"what is transparent is {classes[0]!r}, what is opaque {classes[1]!r}")
        return Source(classes, one_mask_items(source, pairs, _read, journal))


def _read(path: Path, journal: Journal) -> np.ndarray:
    picture = read_picture(path)
    alpha = alpha_values(picture)
    if alpha is None:
        channels = np.asarray(picture)
        if picture.mode not in ("LA", "PA", "RGBA") or channels[..., -1].any():
            raise DataError("a mask that shows otherwise than by its transparency")
        alpha = channels[..., -1]  # nothing is drawn in it
    levels = np.unique(alpha)
    if levels.size == 2 and levels[0] == 0:
        return (alpha > 0).astype(np.uint8)  # also where a brush of half the strength drew
    if ((alpha > 0) & (alpha < 255)).any():
        journal.repaired("pixels that are partly transparent: from one half on they are drawn")
    return (alpha >= HALF).astype(np.uint8)
