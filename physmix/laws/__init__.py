"""Laws: their text, their algebra, and the constraint on mixing weights they compile to."""

from physmix.laws.compiler import Entry, MixingConstraint, compile_laws
from physmix.laws.law import Law
from physmix.laws.notation import TIME, Constant
from physmix.laws.scaling import Scaling, power_of_two
from physmix.laws.text import parse_law, parse_laws
from physmix.laws.walls import WallClass, WallRule, wall_bias, wall_classes

__all__ = [
    "TIME",
    "Constant",
    "Entry",
    "Law",
    "MixingConstraint",
    "Scaling",
    "WallClass",
    "WallRule",
    "compile_laws",
    "parse_law",
    "parse_laws",
    "power_of_two",
    "wall_bias",
    "wall_classes",
]
