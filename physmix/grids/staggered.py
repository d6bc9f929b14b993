"""Staggered periodic grids: every field lives at points or half-way between them, along each coordinate.

A difference of neighbours lives half-way between them, so it flips the place of a field along one
coordinate: forward from a point to the half-way place after it, backward from there. A product of
differences from one place is then the same in every order, and a law that is compiled over them holds
to round-off in the shortest differences, which have no null space but the constants.
Source: Harlow and Welch, Phys. Fluids 8, 1965, the marker-and-cell grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, listing
from physmix.grids.periodic import check_operators
from physmix.operators import Monomial, Operators

Place = tuple[int, ...]
"""Where a field lives, for each coordinate: 0 at x_j = j h, 1 at x_j + h / 2, both under index j."""


def moved(place: Place, monomial: Monomial) -> Place:
    """Where a product of differences of a field at this place lives."""
    return tuple((p + exponent) % 2 for p, exponent in zip(place, monomial, strict=True))


def allowed_entries(
    place: Place, fields: Mapping[str, Place], operators: Operators
) -> tuple[tuple[str, Monomial], ...]:
    """Which weights a potential at a place may have: (field, monomial) that lead from it to the field."""
    return tuple(
        (field, monomial)
        for field, target in fields.items()
        for monomial in operators.monomials
        if moved(place, monomial) == target
    )


@dataclass(frozen=True)
class StaggeredGrid:
    """n cells of width h = L / n along each coordinate, with periodic ends.

    Attributes:
        coordinates: the names of the dimensions; time may be one of them.
        points: n of each dimension.
        lengths: the period L of each dimension.

    Raises:
        SettingsError: if these differ in number, or one is not positive.
    """

    coordinates: tuple[str, ...]
    points: tuple[int, ...]
    lengths: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = {len(self.coordinates), len(self.points), len(self.lengths)}
        if len(numbers) > 1 or min((*self.points, *self.lengths), default=0) <= 0:
            raise SettingsError(
                "the grid",
                f"coordinates {listing(self.coordinates)}, points {listing(self.points)}, lengths "
                f"{listing(self.lengths)}",
                "give a positive number of points and a positive length for each coordinate",
            )

    def check_places(self, places: Sequence[Place]) -> None:
        """Raise SettingsError unless each place has a 0 or 1 for every coordinate."""
        for place in places:
            if len(place) != len(self.coordinates) or not set(place) <= {0, 1}:
                raise SettingsError(
                    "the grid",
                    f"{place} is no place over {listing(self.coordinates)}",
                    "give 0 (at points) or 1 (half-way) for each coordinate",
                )

    def differentiate(
        self, field: Float[Tensor, "batch *grid channel"], dimension: int, places: Sequence[Place]
    ) -> Float[Tensor, "batch *grid channel"]:
        """The difference along one dimension, over h; it lives half a cell from where its channel does.

        Args:
            field: channels, each at a place of its own.
            dimension: of the grid.
            places: of the channels.

        Raises:
            ShapeError: if the field is not on this grid, or has not one channel a place.
            SettingsError: if a place is none of this grid.
        """
        self.check_places(places)
        if field.shape[1:] != (*self.points, len(places)):
            raise ShapeError("a field", field.shape, f"(batch, {listing((*self.points, len(places)))})")
        half = torch.tensor([place[dimension] == 1 for place in places], device=field.device)
        forward = (torch.roll(field, -1, dimension + 1) - field) * (
            self.points[dimension] / self.lengths[dimension]
        )
        return torch.where(half, torch.roll(forward, 1, dimension + 1), forward)

    def apply(
        self, field: Float[Tensor, "batch *grid channel"], monomial: Monomial, places: Sequence[Place]
    ) -> Float[Tensor, "batch *grid channel"]:
        """A product of differences, of channels at places of their own.

        Raises:
            ShapeError, SettingsError: see `differentiate`.
        """
        for dimension, exponent in enumerate(monomial):
            step = tuple(int(i == dimension) for i in range(len(monomial)))
            for _ in range(exponent):
                field = self.differentiate(field, dimension, places)
                places = [moved(place, step) for place in places]
        return field

    def channels(
        self,
        potentials: Float[Tensor, "batch *grid potential"],
        operators: Operators,
        places: Sequence[Place],
    ) -> Float[Tensor, "operator batch *grid potential"]:
        """The input of a `LawfulLayer` whose rows keep to `allowed_entries`. Its bias is the mean flow.

        Args:
            potentials: each at a place of its own.
            operators: over the coordinates of this grid.
            places: of the potentials.

        Raises:
            ShapeError: if the potentials are not on this grid.
            SettingsError: if the operators are those of other coordinates, or a place is none of this grid.
        """
        if potentials.shape[1:] != (*self.points, len(places)):
            expected = f"(batch, {listing((*self.points, len(places)))})"
            raise ShapeError("the potentials", potentials.shape, expected)
        check_operators(self.coordinates, operators)
        return torch.stack([self.apply(potentials, m, places) for m in operators.monomials])
