"""Jets: Taylor coefficients of pointwise networks, carried forward through their layers."""

from physmix.jets import towers
from physmix.jets.network import Jet, Sine, activation, push, rule, seed
from physmix.jets.space import JetSpace

__all__ = ["Jet", "JetSpace", "Sine", "activation", "push", "rule", "seed", "towers"]
