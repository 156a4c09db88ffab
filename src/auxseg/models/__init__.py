"""Networks: encoders, decoders, heads, and the architectures that connect them."""

from auxseg.models.architectures import ARCHITECTURES
from auxseg.models.base import MultiTaskModel, Parts
from auxseg.models.decoders import DECODERS
from auxseg.models.encoders import ENCODERS

__all__ = ["ARCHITECTURES", "DECODERS", "ENCODERS", "MultiTaskModel", "Parts"]
