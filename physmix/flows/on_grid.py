"""What lies on a Cartesian grid over time: spacing, lengths and boundaries, for flows and their metadata."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class OnGrid:
    """Coordinates of the points along each dimension, stored times, and what happens at the sides.

    Attributes:
        time: stored times, shape (time,).
        axes: coordinate of each grid point along each dimension, by dimension name.
        boundary: type of boundary along each dimension: PERIODIC, WALL or OPEN.
        parameters: constants of the simulation, such as gamma.
        solid: points that lie in a body, boolean, of the shape of the grid; None if there is no body.
    """

    time: Array
    axes: Mapping[str, Array]
    boundary: Mapping[str, str]
    parameters: Mapping[str, float]
    solid: NDArray[np.bool_] | None

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of points along each dimension."""
        return tuple(len(axis) for axis in self.axes.values())

    @property
    def periodic(self) -> bool:
        """Whether it is periodic along every dimension, without a body in it."""
        return self.solid is None and all(self.boundary.get(name) == "PERIODIC" for name in self.axes)

    @property
    def evenly_spaced(self) -> bool:
        """Whether every cell of the grid has the same size, up to the rounding of its coordinates."""
        return all(_even(axis) for axis in self.axes.values())

    @property
    def lengths(self) -> tuple[float, ...]:
        """The extent of the cells along each dimension."""
        return tuple(high - low for name, (low, high) in self.box().items() if name in self.axes)

    @property
    def spacing(self) -> tuple[float, ...]:
        """The mean width of the cells along each dimension."""
        return tuple(length / points for length, points in zip(self.lengths, self.grid, strict=True))

    @property
    def time_step(self) -> float:
        """The mean distance of stored times; 0 for a steady flow."""
        return float(self.time[-1] - self.time[0]) / max(len(self.time) - 1, 1)

    def box(self) -> dict[str, tuple[float, float]]:
        """First and last value of time and of each coordinate: cell edges in space."""
        edges = {"t": (float(self.time[0]), float(self.time[-1]))}
        for name, axis in self.axes.items():
            first, last = float(axis[1] - axis[0]) / 2, float(axis[-1] - axis[-2]) / 2
            edges[name] = (float(axis[0]) - first, float(axis[-1]) + last)
        return edges


def _even(axis: Array) -> bool:
    step = np.diff(axis.astype(np.float64))
    rounding = 4 * float(np.finfo(axis.dtype).eps) * float(np.abs(axis).max())
    return bool(np.allclose(step, step[0], rtol=1e-6, atol=rounding))
