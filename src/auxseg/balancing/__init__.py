"""Balancers. Adding one is a file in this folder and a line in :data:`BALANCERS`."""

from auxseg.balancing.base import Balancer
from auxseg.balancing.equal import Equal
from auxseg.balancing.fixed import Fixed

__all__ = ["BALANCERS", "Balancer"]

BALANCERS: dict[str, type[Balancer]] = {"fixed": Fixed, "equal": Equal}
