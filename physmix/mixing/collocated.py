"""Lawful fields on grids with all values at the same points: potentials in, fields out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.grids import CollocatedGrid
from physmix.laws import Law, compile_laws
from physmix.mixing.lawful import LawfulLayer
from physmix.operators import Operators


class CollocatedLayer(nn.Module):
    """Potentials at the points of a grid in, lawful fields at the same points out.

        grid = PeriodicGrid(("x", "y"), points=(64, 64), lengths=(1.0, 1.0))
        layer = CollocatedLayer(grid, laws, ["ux", "uy"], Operators.derivatives("xy", 1), 8)

    Args:
        grid: of which the derivatives are mixed.
        laws: to hold together, in the coordinates of the grid.
        fields: the output channels, in order.
        operators: what is applied to each potential.
        potentials: their number.
        bias: whether to add a lawful constant, such as a mean flow.
        gain: size of the initial outputs for potentials with derivatives of size one.
        generator: source of the initial weights.

    Attributes:
        mixing: the layer that an optimiser trains, through `projected`.

    Raises:
        UnknownFieldError, UnsupportedLawError, ContradictionError, NoFreedomError: see `compile_laws`.
    """

    def __init__(
        self,
        grid: CollocatedGrid,
        laws: Iterable[Law],
        fields: Sequence[str],
        operators: Operators,
        potentials: int,
        *,
        bias: bool = True,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.fields, self.laws = grid, tuple(fields), tuple(laws)
        constraint = compile_laws(self.laws, self.fields, operators)
        self.mixing = LawfulLayer(constraint, potentials, bias=bias, gain=gain, generator=generator)

    def forward(
        self, potentials: Float[Tensor, "batch *grid potential"]
    ) -> Float[Tensor, "batch *grid field"]:
        """Differentiate the potentials on the grid and mix.

        Raises:
            ShapeError: if the potentials are not on the grid, or of another number.
        """
        mixing = self.mixing
        potentials = potentials.to(mixing.weight.dtype)
        out: Tensor = mixing(self.grid.channels(potentials, mixing.constraint.operators))
        return out
