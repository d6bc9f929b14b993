"""Jets: Taylor coefficients of pointwise networks, carried forward through their layers."""

from physmix.jets import towers
from physmix.jets.network import Jet, Sine, activation, push, rule, seed
from physmix.jets.space import JetSpace, Monomial, monomials

__all__ = ["Jet", "JetSpace", "Monomial", "Sine", "activation", "monomials", "push", "rule", "seed", "towers"]
