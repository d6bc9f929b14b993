"""Grids: discrete operators as channels."""

from physmix.grids.differences import neighbour_channels, neighbour_operators
from physmix.grids.periodic import PeriodicGrid, Scheme, derivative_symbol

__all__ = ["PeriodicGrid", "Scheme", "derivative_symbol", "neighbour_channels", "neighbour_operators"]
