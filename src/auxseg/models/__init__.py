"""Architectures. Adding one is a file in this folder and a line in :data:`ARCHITECTURES`."""

from auxseg.models.base import MultiTaskModel
from auxseg.models.cross_stitch import CrossStitch
from auxseg.models.hard_sharing import HardSharing
from auxseg.models.mtan import MTAN
from auxseg.models.mtan_full import MTANFull

__all__ = ["ARCHITECTURES", "MultiTaskModel"]

ARCHITECTURES: dict[str, type[MultiTaskModel]] = {
    "hard-sharing": HardSharing,
    "mtan": MTAN,
    "mtan-full": MTANFull,
    "cross-stitch": CrossStitch,
}
