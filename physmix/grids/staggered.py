"""Staggered grids, with or without ends: every field at points of its own, and the shortest differences.

A difference of neighbours lives between them, one level below along its coordinate. A product of
differences is the same in every order, since each is a matrix along its own coordinate: a law that is
compiled over them holds to round-off in these very differences, beside walls and on cells of unequal
width as well (d d = 0; the metric is diagonal). They have no null space but the constants.
Source: Harlow and Welch, Phys. Fluids 8, 1965, the marker-and-cell grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Bool, Shaped
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, listing
from physmix.grids.axes import Axis, BoundedAxis, Values
from physmix.operators import Monomial, Operators

Place = tuple[int, ...]
"""Where a field lives: for each coordinate its level, such as 0 at cells and 1 at faces."""

Field = Shaped[Tensor, "batch ..."]
"""Values at a place, (batch, *grid.shape(place)), or with channels as a last axis."""

Mask = Bool[Tensor, "..."]
"""True or false for each value at a place, of shape grid.shape(place)."""


@dataclass(frozen=True)
class StaggeredGrid:
    """One axis for each coordinate; time may be one of them.

        grid = StaggeredGrid({"x": PeriodicAxis(64, 2.0), "y": BoundedAxis([0, 0.1, 0.3, 0.7, 1])})
        faces = {"ux": (1, 0), "uy": (0, 1)}

    Attributes:
        axes: by the name of the coordinate.
    """

    axes: Mapping[str, Axis]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(self.axes)

    def shape(self, place: Place) -> tuple[int, ...]:
        """How many values a field at this place has along each coordinate.

        Raises:
            SettingsError: if it is no place of this grid.
        """
        sizes = tuple(axis.size(level) for axis, level in zip(self.axes.values(), place, strict=False))
        moved = self.moved(place, (0,) * len(place)) if len(place) == len(self.axes) else None
        if place != moved or min(sizes, default=0) < 1:
            raise SettingsError(
                "the grid",
                f"{place} is no place over {listing(self.coordinates)}",
                "give a level for each coordinate, such as 0 (cells) or 1 (faces), the only ones of a "
                "periodic axis",
            )
        return sizes

    def moved(self, place: Place, monomial: Monomial) -> Place:
        """Where a product of differences of a field at this place lives."""
        levels = zip(self.axes.values(), place, monomial, strict=True)
        return tuple(axis.moved(level, exponent) for axis, level, exponent in levels)

    def origins(self, places: Iterable[Place], operators: Operators) -> tuple[Place, ...]:
        """From where differences lead to some of these places, in order."""
        found = {
            self.moved(place, tuple(-exponent for exponent in monomial))
            for place in places
            for monomial in operators.monomials
        }
        return tuple(sorted(found))

    def allowed_entries(
        self, place: Place, fields: Mapping[str, Place], operators: Operators
    ) -> tuple[tuple[str, Monomial], ...]:
        """Which weights a potential at a place may have: (field, monomial) that lead from it to the field."""
        return tuple(
            (field, monomial)
            for field, target in fields.items()
            for monomial in operators.monomials
            if self.moved(place, monomial) == target
        )

    def check(self, field: Field, place: Place) -> None:
        """Raise ShapeError unless the field has the values of this place, and SettingsError if it is none."""
        shape = self.shape(place)
        if field.shape[1 : 1 + len(shape)] != shape or field.ndim > len(shape) + 2:
            raise ShapeError("a field", field.shape, f"(batch, {listing(shape)}), or channels after it")

    def differentiate(self, field: Field, place: Place, dimension: int) -> Field:
        """The difference of neighbours along one dimension, over their distance; one level below.

        Args:
            field: at this place.
            place: of the field.
            dimension: of the grid.

        Raises:
            ShapeError: if the field has other values than those of the place.
            SettingsError: if the place is none of this grid, or nothing is left.
        """
        self.check(field, place)
        step = tuple(int(i == dimension) for i in range(len(place)))
        self.shape(self.moved(place, step))
        return list(self.axes.values())[dimension].difference(field, dimension + 1, place[dimension])

    def apply(self, field: Field, place: Place, monomial: Monomial) -> Field:
        """A product of differences; it lives at `moved(place, monomial)`.

        Raises:
            ShapeError, SettingsError: see `differentiate`.
        """
        for dimension, exponent in enumerate(monomial):
            step = tuple(int(i == dimension) for i in range(len(monomial)))
            for _ in range(exponent):
                field = self.differentiate(field, place, dimension)
                place = self.moved(place, step)
        return field

    def terms(
        self,
        fields: Mapping[str, Field],
        places: Mapping[str, Place],
        terms: Mapping[tuple[str, Monomial], Fraction],
    ) -> list[Field]:
        """Each term of a law in the differences of this grid, all at one place.

        Raises:
            ShapeError, SettingsError: see `differentiate`.
        """
        return [
            float(value) * self.apply(fields[name], places[name], monomial)
            for (name, monomial), value in terms.items()
        ]

    def factors(self, place: Place, monomial: Monomial) -> list[csr_array]:
        """A product of differences as one sparse matrix along each coordinate."""
        found = []
        for axis, level, exponent in zip(self.axes.values(), place, monomial, strict=True):
            matrix = eye_array(axis.size(level), format="csr")
            for step in range(exponent):
                matrix = axis.matrix(axis.moved(level, step)) @ matrix
            found.append(matrix)
        return found

    def volumes(self, place: Place) -> Tensor:
        """The part of the domain around each value: the product of the distances of its two neighbours."""
        found = torch.ones((), dtype=torch.float64)
        for axis, level in zip(self.axes.values(), place, strict=True):
            found = found[..., None] * axis.spacing(axis.moved(level, -1))
        return found

    def stencil(self, values: Values, place: Place, monomial: Monomial) -> list[Tensor]:
        """The values that a product of differences at each point is made of, one tensor for each corner."""
        corners = [values]
        for dimension, (axis, exponent) in enumerate(zip(self.axes.values(), monomial, strict=True)):
            for step in range(exponent):
                level = axis.moved(place[dimension], step)
                pairs = [axis.neighbours(corner, dimension, level) for corner in corners]
                corners = list(itertools.chain(*pairs))
        return corners

    def walls(
        self,
        place: Place,
        ends: Iterable[str] | None = None,
        solid: Mask | None = None,
    ) -> Mask:
        """Which values of a field live on walls: those at the ends of the domain and around solid cells.

        Args:
            place: of the field, such as (1, 0) for what flows through the faces along x.
            ends: the coordinates at whose two ends there are walls; all bounded ones if omitted.
            solid: true for each cell of an obstacle, of the shape of the cells.

        Raises:
            SettingsError: if it is no place, or with obstacles one of other levels than 0 and 1.
            ShapeError: if `solid` has not the shape of the cells.
        """
        found = torch.zeros(self.shape(place), dtype=torch.bool)
        for dimension, (name, axis) in enumerate(self.axes.items()):
            level, wanted = place[dimension], ends is None or name in tuple(ends)
            if isinstance(axis, BoundedAxis) and wanted and level % 2 and level > 0:
                for end in (level // 2, axis.size(level) - 1 - level // 2):
                    found.select(dimension, end).fill_(True)  # noqa: FBT003
        if solid is None:
            return found
        cells = self.shape((0,) * len(place))
        if tuple(solid.shape) != cells or not set(place) <= {0, 1}:
            expected = f"({listing(cells)}), for a field at levels 0 and 1"
            raise ShapeError("the solid cells", solid.shape, expected)
        for dimension, axis in enumerate(self.axes.values()):
            if place[dimension]:
                ghosted = axis.widened(solid, dimension)
                before, after = axis.neighbours(ghosted, dimension, axis.moved(0, -2))
                solid = before | after
        return found | solid
