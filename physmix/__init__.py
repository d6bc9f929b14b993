"""Constrained channel mixing: 1x1 layers whose weights cannot break a conservation law."""

from physmix.constraints import LinearSet
from physmix.errors import PhysmixError
from physmix.jets import Sine
from physmix.laws import Law, MixingConstraint, Scaling, compile_laws, parse_law, parse_laws
from physmix.mixing import (
    MixingBlock,
    MixingLayer,
    PotentialModel,
    constrained_parameters,
    pointwise_network,
    projected,
)
from physmix.operators import Operators

__version__ = "0.1.0"

__all__ = [
    "Law",
    "LinearSet",
    "MixingBlock",
    "MixingConstraint",
    "MixingLayer",
    "Operators",
    "PhysmixError",
    "PotentialModel",
    "Scaling",
    "Sine",
    "compile_laws",
    "constrained_parameters",
    "parse_law",
    "parse_laws",
    "pointwise_network",
    "projected",
]
