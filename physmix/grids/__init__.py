"""Grids: discrete operators as channels."""

from physmix.grids.differences import neighbour_channels, neighbour_operators

__all__ = ["neighbour_channels", "neighbour_operators"]
