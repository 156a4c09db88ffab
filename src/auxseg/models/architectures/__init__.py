"""Architectures. Adding one is a file in this folder and a line in :data:`ARCHITECTURES`."""

from auxseg.models.architectures.cross_stitch import CrossStitch
from auxseg.models.architectures.hard_sharing import HardSharing
from auxseg.models.architectures.mtan import MTAN
from auxseg.models.architectures.mtan_full import MTANFull
from auxseg.models.architectures.progressive import Progressive
from auxseg.models.base import MultiTaskModel

__all__ = ["ARCHITECTURES"]

ARCHITECTURES: dict[str, type[MultiTaskModel]] = {
    "hard-sharing": HardSharing,
    "mtan": MTAN,
    "mtan-full": MTANFull,
    "cross-stitch": CrossStitch,
    "progressive": Progressive,
}
