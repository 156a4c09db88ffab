"""Networks: encoders, decoders, heads, and the architectures that connect them."""

from auxseg.models.architectures import ARCHITECTURES
from auxseg.models.base import MultiTaskModel

__all__ = ["ARCHITECTURES", "MultiTaskModel"]
