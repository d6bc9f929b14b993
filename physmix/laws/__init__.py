"""Laws: their text, their algebra, and the constraint on mixing weights they compile to."""

from physmix.laws.automatic import compile_complete, gauge_entries
from physmix.laws.compiler import Entry, MixingConstraint, compile_laws
from physmix.laws.completeness import Potentials, potentials_of
from physmix.laws.domain import HoleChannels, hole_channels, periodic_channels, written
from physmix.laws.law import Law
from physmix.laws.means import lawful_mean
from physmix.laws.notation import TIME, Constant
from physmix.laws.particular import PolynomialField, particular_field
from physmix.laws.recognition import recognized
from physmix.laws.scaling import Scaling, power_of_two
from physmix.laws.text import parse_law, parse_laws
from physmix.laws.walls import WallClass, WallRule, wall_bias, wall_classes

__all__ = [
    "TIME",
    "Constant",
    "Entry",
    "HoleChannels",
    "Law",
    "MixingConstraint",
    "PolynomialField",
    "Potentials",
    "Scaling",
    "WallClass",
    "WallRule",
    "compile_complete",
    "compile_laws",
    "gauge_entries",
    "hole_channels",
    "lawful_mean",
    "parse_law",
    "parse_laws",
    "particular_field",
    "periodic_channels",
    "potentials_of",
    "power_of_two",
    "recognized",
    "wall_bias",
    "wall_classes",
    "written",
]
