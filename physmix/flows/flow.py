"""A flow in memory: fields on a grid over time, with all that is needed to understand them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Flow:
    """One or several trajectories of fields on a Cartesian grid.

    Attributes:
        name: of the data set.
        time: stored times, shape (time,).
        axes: coordinate of each grid point along each dimension, by dimension name.
        scalars: tensor order 0, shape (trajectory, time, *grid).
        vectors: tensor order 1, shape (trajectory, time, *grid, dimension).
        parameters: constants of the simulation, such as gamma.
        boundary: type of boundary along each dimension: PERIODIC, WALL or OPEN.
        provenance: how the flow was made, as text: solver, version, parameters.
        solid: points that lie in a body and not in the fluid, boolean, of the shape of the grid; None
            if there is no body. Every field is 0 there.
    """

    name: str
    time: Array
    axes: Mapping[str, Array]
    scalars: Mapping[str, Array]
    vectors: Mapping[str, Array] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    boundary: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    solid: NDArray[np.bool_] | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of points along each dimension."""
        return tuple(len(axis) for axis in self.axes.values())

    @property
    def periodic(self) -> bool:
        """Whether the flow is periodic along every dimension, without a body in it."""
        return self.solid is None and all(self.boundary.get(name) == "PERIODIC" for name in self.axes)

    @property
    def evenly_spaced(self) -> bool:
        """Whether every cell of the grid has the same size."""
        steps = [np.diff(axis) for axis in self.axes.values()]
        return all(np.allclose(step, step[0], rtol=1e-6, atol=0.0) for step in steps)

    def box(self) -> dict[str, tuple[float, float]]:
        """First and last value of time and of each coordinate: cell edges in space."""
        edges = {"t": (float(self.time[0]), float(self.time[-1]))}
        for name, axis in self.axes.items():
            first, last = float(axis[1] - axis[0]) / 2, float(axis[-1] - axis[-2]) / 2
            edges[name] = (float(axis[0]) - first, float(axis[-1]) + last)
        return edges

    def component(self, name: str) -> Array:
        """A scalar, or one component of a vector such as velocity_x: (trajectory, time, *grid)."""
        if name in self.scalars:
            return self.scalars[name]
        vector, _, axis = name.rpartition("_")
        if vector in self.vectors and axis in self.axes:
            return self.vectors[vector][..., list(self.axes).index(axis)]
        raise KeyError(name)

    @property
    def components(self) -> tuple[str, ...]:
        """Every name that `component` knows."""
        parts = [f"{vector}_{axis}" for vector in self.vectors for axis in self.axes]
        return (*self.scalars, *parts)
