"""Grids with all fields at the same points."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, listing
from physmix.operators import Monomial, Operators


def check_operators(coordinates: tuple[str, ...], operators: Operators) -> None:
    """Raise SettingsError unless the operators are those of a grid's coordinates."""
    if operators.generators != coordinates:
        raise SettingsError(
            "the grid",
            f"its coordinates are {listing(coordinates)}, those of the operators "
            f"{listing(operators.generators)}",
            "give both the same, in the same order",
        )


class CollocatedGrid(ABC):
    """One derivative along each dimension, of which any two commute.

    Attributes:
        coordinates: the names of the dimensions.
        points: their number along each dimension.
    """

    coordinates: tuple[str, ...]
    points: tuple[int, ...]

    @abstractmethod
    def differentiate(
        self, field: Float[Tensor, "batch *grid channel"], dimension: int
    ) -> Float[Tensor, "batch *grid channel"]:
        """The first derivative along one dimension of the grid."""

    def apply(
        self, field: Float[Tensor, "batch *grid channel"], monomial: Monomial
    ) -> Float[Tensor, "batch *grid channel"]:
        """A product of derivatives."""
        for dimension, exponent in enumerate(monomial):
            for _ in range(exponent):
                field = self.differentiate(field, dimension)
        return field

    def channels(
        self, potentials: Float[Tensor, "batch *grid potential"], operators: Operators
    ) -> Float[Tensor, "operator batch *grid potential"]:
        """The input of a `LawfulLayer`. Its bias is a constant flow, such as the mean of a periodic one.

        Raises:
            ShapeError: if the potentials are not on this grid.
            SettingsError: if the operators are those of other coordinates.
        """
        if potentials.shape[1:-1] != self.points:
            raise ShapeError(
                "the potentials", potentials.shape, f"(batch, {listing(self.points)}, potential)"
            )
        check_operators(self.coordinates, operators)
        return torch.stack([self.apply(potentials, m) for m in operators.monomials])
