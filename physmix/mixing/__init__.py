"""Mixing: the 1x1 layers whose weights obey, and models made of them."""

from physmix.mixing.blocks import MixingBlock
from physmix.mixing.claim import claim_laws
from physmix.mixing.classes import StaggeredClass, staggered_classes
from physmix.mixing.collocated import CollocatedLayer
from physmix.mixing.corners import corner, eddy_powers, scraper
from physmix.mixing.derivatives import DerivativeMap
from physmix.mixing.enrichment import Enrichment, enriched
from physmix.mixing.features import random_features
from physmix.mixing.fluxes import Fluxes, FluxLayer
from physmix.mixing.folding import fold
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.layer import MixingLayer, mix
from physmix.mixing.liftings import force_channels, stream
from physmix.mixing.partition import PartitionedFeatures, partitioned_features
from physmix.mixing.potentials import PotentialModel, pointwise_network
from physmix.mixing.staggered import StaggeredLayer
from physmix.mixing.support import WeightLayout
from physmix.mixing.symmetry import Symmetry
from physmix.mixing.walled import Lifting, Wall

__all__ = [
    "CollocatedLayer",
    "DerivativeMap",
    "Enrichment",
    "FluxLayer",
    "Fluxes",
    "LawfulLayer",
    "Lifting",
    "MixingBlock",
    "MixingLayer",
    "PartitionedFeatures",
    "PotentialModel",
    "StaggeredClass",
    "StaggeredLayer",
    "Symmetry",
    "Wall",
    "WeightLayout",
    "claim_laws",
    "corner",
    "eddy_powers",
    "enriched",
    "fold",
    "force_channels",
    "mix",
    "partitioned_features",
    "pointwise_network",
    "random_features",
    "scraper",
    "staggered_classes",
    "stream",
]
