"""Mixing: the 1x1 layers whose weights obey, and models made of them."""

from physmix.mixing.blocks import MixingBlock
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.layer import MixingLayer, mix
from physmix.mixing.potentials import PotentialModel, pointwise_network

__all__ = [
    "LawfulLayer",
    "MixingBlock",
    "MixingLayer",
    "PotentialModel",
    "mix",
    "pointwise_network",
]
