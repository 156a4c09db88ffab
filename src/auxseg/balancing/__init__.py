"""Balancers. Adding one is a file in this folder and a line in :data:`BALANCERS`."""

from auxseg.balancing.aligned_mtl import AlignedMTL
from auxseg.balancing.base import Balancer, Step
from auxseg.balancing.cagrad import CAGrad
from auxseg.balancing.dwa import DWA
from auxseg.balancing.equal import Equal
from auxseg.balancing.famo import FAMO
from auxseg.balancing.fixed import Fixed
from auxseg.balancing.geometric import Geometric
from auxseg.balancing.graddrop import GradDrop
from auxseg.balancing.imtl_g import ImtlG
from auxseg.balancing.imtl_l import ImtlL
from auxseg.balancing.mgda import MGDA
from auxseg.balancing.nash_mtl import NashMTL
from auxseg.balancing.pcgrad import PCGrad
from auxseg.balancing.random_weights import RandomWeights
from auxseg.balancing.softadapt import SoftAdapt
from auxseg.balancing.uncertainty import Uncertainty
from auxseg.balancing.upgrad import UPGrad

__all__ = ["BALANCERS", "Balancer", "Step"]

BALANCERS: dict[str, type[Balancer]] = {
    # By the values of the losses.
    "fixed": Fixed,
    "equal": Equal,
    "random": RandomWeights,
    "uncertainty": Uncertainty,
    "dwa": DWA,
    "softadapt": SoftAdapt,
    "geometric": Geometric,
    "imtl-l": ImtlL,
    "famo": FAMO,
    # By the gradients of the shared parameters.
    "pcgrad": PCGrad,
    "cagrad": CAGrad,
    "mgda": MGDA,
    "imtl-g": ImtlG,
    "nash-mtl": NashMTL,
    "aligned-mtl": AlignedMTL,
    "graddrop": GradDrop,
    "upgrad": UPGrad,
}
