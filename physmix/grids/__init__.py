"""Grids: discrete operators as channels."""

from physmix.grids.differences import neighbour_channels, neighbour_operators
from physmix.grids.incidence import WalledBox
from physmix.grids.periodic import PeriodicGrid, Scheme, derivative_symbol
from physmix.grids.staggered import Place, StaggeredGrid, allowed_entries, moved

__all__ = [
    "PeriodicGrid",
    "Place",
    "Scheme",
    "StaggeredGrid",
    "WalledBox",
    "allowed_entries",
    "derivative_symbol",
    "moved",
    "neighbour_channels",
    "neighbour_operators",
]
