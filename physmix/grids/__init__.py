"""Grids: discrete operators as channels."""

from physmix.grids.axes import Axis, BoundedAxis, PeriodicAxis
from physmix.grids.collocated import CollocatedGrid, check_operators
from physmix.grids.differences import neighbour_channels, neighbour_operators
from physmix.grids.periodic import PeriodicGrid, Scheme, derivative_symbol
from physmix.grids.points import PointAxis, PointGrid
from physmix.grids.staggered import Mask, Place, StaggeredGrid
from physmix.grids.totals import Drift, drift

__all__ = [
    "Axis",
    "BoundedAxis",
    "CollocatedGrid",
    "Drift",
    "Mask",
    "PeriodicAxis",
    "PeriodicGrid",
    "Place",
    "PointAxis",
    "PointGrid",
    "Scheme",
    "StaggeredGrid",
    "check_operators",
    "derivative_symbol",
    "drift",
    "neighbour_channels",
    "neighbour_operators",
]
