"""The fields that obey laws on a grid, and the nearest of them to given ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import (
    ProjectionError,
    SettingsError,
    ShapeError,
    UnsupportedLawError,
    listing,
    suggestion,
)
from physmix.grids import CollocatedGrid, PeriodicGrid, Place, PointGrid, StaggeredGrid, drift
from physmix.laws import Law
from physmix.reconciliation.periodic import PeriodicLaws
from physmix.reconciliation.sparse import SparseLaws

Stored = Float[Tensor, "trajectory time *grid field"]
Array = Tensor | NDArray[np.number]
Fields = Stored | Float[np.ndarray, "trajectory time *grid field"] | Mapping[str, Array]
"""On collocated grids one array; on a staggered one arrays (batch, *grid.shape(place)) by name."""

_LAWFUL = 1e-11

Grid = PeriodicGrid | PointGrid | StaggeredGrid
Weights = Mapping[str, float | Array]


def doubles(values: float | Array) -> Tensor:
    """Numbers of any kind as a tensor of float64, of no graph."""
    if isinstance(values, Tensor):
        return values.detach().double()
    return torch.from_numpy(np.array(values, np.float64))  # a copy: what is given may be read-only


def law_terms(fields: Stored, names: Sequence[str], law: Law, grid: CollocatedGrid) -> Tensor:
    """Each term of a law in the operators of a grid, (term, trajectory, time, *grid)."""
    whole = fields.flatten(0, 1)
    terms = [
        float(value) * grid.apply(whole[..., [names.index(field)]], monomial)[..., 0]
        for (field, monomial), value in law.terms.items()
    ]
    return torch.stack(terms).reshape(len(terms), *fields.shape[:-1])


class LawfulFields:
    """The fields on a grid that obey laws in the grid's own operators.

    Args:
        laws: of the grid's coordinates: with derivatives, of values at each point, or on a periodic grid
            of totals, which are to stay what they are on average over the times of a trajectory.
        names: of the fields; on a staggered grid a mapping from names to places.
        grid: where they live: periodic, of points, or staggered.
        weights: how much a change of each field counts, by name; 1 if omitted. A number, or one for
            each point; inf holds a value as it is, such as on walls, at an inflow or in an obstacle.

    Raises:
        UnknownFieldError: if a law names another field.
        UnsupportedLawError: if a law has derivatives along other coordinates, is about a total on a grid
            that is not periodic, or has terms at several places.
        SettingsError: if a weight is not positive, or of no field.
        ShapeError: if weights do not fit the points of a field.
        ContradictionError: if no field on a periodic grid obeys the laws; it names a minimal subset.
    """

    def __init__(
        self,
        laws: Iterable[Law],
        names: Sequence[str] | Mapping[str, Place],
        grid: Grid,
        weights: Weights | None = None,
    ) -> None:
        self.laws, self.names, self.grid = tuple(laws), tuple(names), grid
        self.places = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, ())
        if isinstance(names, Mapping) != isinstance(grid, StaggeredGrid):
            remedy = "give places by name with a staggered grid, and names with any other"
            raise SettingsError("the fields", f"the names {listing(names)} do not fit the grid", remedy)
        for law in self.laws:
            law.check_fields(self.names)
            if law.order and law.coordinates != grid.coordinates:
                raise UnsupportedLawError(
                    law.name,
                    f"it has derivatives in {listing(law.coordinates)}, and the grid has "
                    f"{listing(grid.coordinates)}",
                    "write it in the coordinates of the grid, without time",
                )
        for name in weights or {}:
            if name not in self.names:
                problem = f"there is no field {name!r}{suggestion(name, self.names)}"
                raise SettingsError("the weights", problem, f"the fields are {listing(self.names)}")
        self.weight = self.spread(weights or {}, 1.0)
        if not bool((self.weight > 0).all()):
            raise SettingsError("the weights", "some are not above zero", "give positive numbers, or inf")
        inverse = 1 / self.weight
        self.solver: PeriodicLaws | SparseLaws
        if isinstance(grid, PeriodicGrid):
            self.solver = PeriodicLaws(self.laws, self.names, grid, inverse)
        elif isinstance(grid, PointGrid):
            self.solver = SparseLaws(self.laws, self.places, grid, inverse.movedim(-1, 0).flatten())
        else:
            self.solver = SparseLaws(self.laws, self.places, grid, inverse)

    def shape(self, name: str) -> tuple[int, ...]:
        """The points of a field."""
        grid = self.grid
        return grid.shape(self.places[name]) if isinstance(grid, StaggeredGrid) else grid.points

    def spread(self, values: Weights, default: float) -> Tensor:
        """Numbers by name as they stand beside packed states: (*grid, field), (field,) or (value,)."""
        by_point = not isinstance(self.grid, PeriodicGrid) or any(np.ndim(value) for value in values.values())
        whole = []
        for name in self.names:
            value = doubles(values.get(name, default))
            if value.ndim and tuple(value.shape) != self.shape(name):
                expected = f"({listing(self.shape(name))}), or a single number"
                raise ShapeError(f"what is given for {name}", value.shape, expected)
            whole.append(value.expand(self.shape(name)) if by_point else value)
        if isinstance(self.grid, StaggeredGrid):
            return torch.cat([one.flatten() for one in whole])
        return torch.stack(whole, -1)

    def pack(self, fields: Fields) -> Tensor:
        """The fields as one tensor of float64.

        Raises:
            ShapeError: if the fields are not on the grid.
        """
        if isinstance(fields, Mapping):
            if set(fields) != set(self.names) or not isinstance(self.grid, StaggeredGrid):
                raise ShapeError("the fields", (len(fields),), f"{listing(self.names)} on a staggered grid")
            states = {name: doubles(fields[name]) for name in self.names}
            for name, state in states.items():
                self.grid.check(state, self.places[name])
            return torch.cat([state.flatten(1) for state in states.values()], 1)
        expected = (*self.grid.points, len(self.names)) if isinstance(self.grid, CollocatedGrid) else ()
        if not expected or fields.ndim < 3 or tuple(fields.shape[2:]) != expected:
            raise ShapeError("the fields", fields.shape, f"(trajectory, time, {listing(expected)})")
        return doubles(fields)

    def unpack(self, states: Tensor) -> Any:
        """The opposite of `pack`."""
        if not isinstance(self.grid, StaggeredGrid):
            return states
        parts = states.split([math.prod(self.shape(name)) for name in self.names], 1)
        named = zip(self.names, parts, strict=True)
        return {name: part.reshape(len(states), *self.shape(name)) for name, part in named}

    def correction(self, states: Tensor, *, homogeneous: bool = False) -> Tensor:
        """What the nearest lawful states differ by, both packed; linear if homogeneous."""
        return self._solved(lambda flat: self.solver.correction(flat, homogeneous=homogeneous), states)

    def project(self, fields: Fields) -> Any:
        """The nearest lawful fields, in the sum of weights times squares, in float64.

        Raises:
            ShapeError: if the fields are not on the grid.
            SettingsError: if values that are held do not balance.
            ProjectionError: if values that are held, or very unequal weights, leave no solution in reach.
        """
        states = self._solved(self.solver.project, self.pack(fields))
        found = self.unpack(states)
        if isinstance(self.solver, PeriodicLaws) and self.solver.relative is not None:
            missed = max(self.violation(found).values(), default=0.0)
            if missed > _LAWFUL:
                raise ProjectionError(
                    f"the laws are still missed by {missed:.1e} of their terms",
                    "weigh points less unequally, or hold fewer values: they may contradict the laws",
                )
        return found

    def _solved(self, solve: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
        """Solve for states on a grid of points as for flat ones, one field after the other."""
        if not isinstance(self.grid, PointGrid):
            return solve(states)
        moved = states.movedim(-1, 2)
        return solve(moved.flatten(0, 1).flatten(1)).view(moved.shape).movedim(2, -1)

    def violation(self, fields: Fields) -> dict[str, float]:
        """max |L y - s| / max sum of |terms| of each law; of a total, its worst drift, see `grids.drift`."""
        found = {}
        for law in self.laws:
            if isinstance(fields, Mapping):
                assert isinstance(self.grid, StaggeredGrid)
                doubled = {name: doubles(field) for name, field in fields.items()}
                terms = torch.stack(self.grid.terms(doubled, self.places, law.terms))
            else:
                assert isinstance(self.grid, CollocatedGrid)
                terms = law_terms(doubles(fields), self.names, law, self.grid)
            if law.integral:
                each = terms.flatten(3)
                missed, size = drift(each.sum((0, 3)), each.abs().sum((0, 3))).worst
            else:
                missed = float((terms.sum(0) - float(law.source)).abs().max())
                size = float(terms.abs().sum(0).max())
            found[law.name] = missed / (size or 1.0)
        return found
