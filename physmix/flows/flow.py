"""A flow in memory: fields on a grid over time, with all that is needed to understand them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physmix.flows.metadata import Field, Metadata
from physmix.flows.on_grid import Array, OnGrid


@dataclass(frozen=True)
class Flow(OnGrid):
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
        units: of fields, as text, where they are known.
        staggered: vectors whose components are values at lower faces of cells; see `Field`.
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
    units: Mapping[str, str] = field(default_factory=dict)
    staggered: frozenset[str] = frozenset()

    @property
    def metadata(self) -> Metadata:
        """All that is known of the flow but its numbers."""
        known = [(0, name) for name in self.scalars] + [(1, name) for name in self.vectors]
        values = [*self.scalars.values(), *self.vectors.values()]
        return Metadata(
            name=self.name,
            fields=tuple(
                Field(name, order, self.units.get(name, ""), name in self.staggered) for order, name in known
            ),
            time=self.time,
            axes=self.axes,
            trajectories=len(values[0]),
            precision=np.result_type(*(field.dtype for field in values)),
            boundary=self.boundary,
            parameters=self.parameters,
            provenance=self.provenance,
            solid=self.solid,
        )

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
