"""Mixing: the 1x1 layers whose weights obey, and models made of them."""

from physmix.mixing.blocks import MixingBlock
from physmix.mixing.classes import StaggeredClass, staggered_classes
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.layer import MixingLayer, mix
from physmix.mixing.liftings import force_channels, stream
from physmix.mixing.potentials import PotentialModel, pointwise_network
from physmix.mixing.staggered import StaggeredLayer
from physmix.mixing.walled import Lifting, Wall

__all__ = [
    "LawfulLayer",
    "Lifting",
    "MixingBlock",
    "MixingLayer",
    "PotentialModel",
    "StaggeredClass",
    "StaggeredLayer",
    "Wall",
    "force_channels",
    "mix",
    "pointwise_network",
    "staggered_classes",
    "stream",
]
