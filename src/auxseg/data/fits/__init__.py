"""How photos of any shape become pictures of one size (``data.fit``), by name."""

from auxseg.data.fits.base import Fit, Part
from auxseg.data.fits.letterbox import Letterbox
from auxseg.data.fits.stretch import Stretch
from auxseg.data.fits.tile import Tile

__all__ = ["FITS", "Fit", "Letterbox", "Part", "Stretch", "Tile"]

FITS: dict[str, type[Fit]] = {fit.NAME: fit for fit in (Stretch, Letterbox, Tile)}
