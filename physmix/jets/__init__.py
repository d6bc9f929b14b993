"""Jets: Taylor coefficients of pointwise networks, carried forward through their layers."""

from physmix.jets import towers
from physmix.jets.compiling import compilation
from physmix.jets.distances import ball, blend, box, union
from physmix.jets.functions import Function, angle, coordinates
from physmix.jets.network import Jet, Sine, Tap, activation, push, rule, seed, taps
from physmix.jets.normalisation import affine_of
from physmix.jets.space import JetSpace
from physmix.jets.text import parse_function

__all__ = [
    "Function",
    "Jet",
    "JetSpace",
    "Sine",
    "Tap",
    "activation",
    "affine_of",
    "angle",
    "ball",
    "blend",
    "box",
    "compilation",
    "coordinates",
    "parse_function",
    "push",
    "rule",
    "seed",
    "taps",
    "towers",
    "union",
]
