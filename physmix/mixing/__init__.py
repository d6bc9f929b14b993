"""Mixing: the lawful 1x1 layer, its optimisation, and models made of it."""

from physmix.mixing.blocks import MixingBlock
from physmix.mixing.layer import MixingLayer
from physmix.mixing.optimization import constrained_parameters, largest_residual, projected
from physmix.mixing.potentials import PotentialModel, pointwise_network

__all__ = [
    "MixingBlock",
    "MixingLayer",
    "PotentialModel",
    "constrained_parameters",
    "largest_residual",
    "pointwise_network",
    "projected",
]
