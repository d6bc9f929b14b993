"""Grids: discrete operators as channels."""

from physmix.grids.axes import Axis, BoundedAxis, PeriodicAxis
from physmix.grids.differences import neighbour_channels, neighbour_operators
from physmix.grids.periodic import PeriodicGrid, Scheme, check_operators, derivative_symbol
from physmix.grids.staggered import Mask, Place, StaggeredGrid

__all__ = [
    "Axis",
    "BoundedAxis",
    "Mask",
    "PeriodicAxis",
    "PeriodicGrid",
    "Place",
    "Scheme",
    "StaggeredGrid",
    "check_operators",
    "derivative_symbol",
    "neighbour_channels",
    "neighbour_operators",
]
