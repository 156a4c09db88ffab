"""Masks that are drawn in one colour and show by their transparency."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from auxseg.data.decode import read_picture
from auxseg.data.formats.base import Options
from auxseg.data.formats.black_white import HALF
from auxseg.data.formats.contents import Survey, alpha_values
from auxseg.data.formats.journal import Journal
from auxseg.data.formats.masks import PictureFormat, ReadMask, names_for
from auxseg.errors import DataError


class Alpha(PictureFormat):
    """Pictures of one colour with an alpha channel: what is opaque is the class that was drawn."""

    NAME: ClassVar[str] = "alpha"
    TITLE: ClassVar[str] = "masks in the alpha channel"

    KIND = "alpha"
    EVIDENCE = "is of one colour and partly transparent"

    @classmethod
    def reader(
        cls, source: Path, found: Survey, options: Options, journal: Journal
    ) -> tuple[tuple[str, ...], ReadMask]:
        colours = {one.alpha for one in found.looks.values() if one.alpha is not None}
        if len(colours) > 1:
            some = " and ".join(" ".join(map(str, one)) for one in sorted(colours)[:2])
            raise DataError(
                f"{source}: its transparent masks have several colours ({some}); give all masks of "
                "one class the same colour, or save them as PNG files in colours without "
                "transparency"
            )
        classes = names_for(2, source, options, journal)
        journal.decided(f"what is transparent is {classes[0]!r}, what is opaque {classes[1]!r}")
        return classes, _read


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
