"""Fluxes through the faces of a box of cells with walls, without a divergence by incidence alone.

F_i = sum over j of d_j A_ij, with A_ij = -A_ji one number for each cell of dimension n - 2, normal to
i and j, and d the difference of neighbours, with coefficients 1 and -1. What flows out of a cell is
sum over i and j of d_i d_j A_ij = 0: in integers exactly, on boundary faces too, and whatever the
spacing is, which enters only as the area that divides a flux into a velocity.
Source: Harlow and Welch, Phys. Fluids 8, 1965, for the places; Whitney's cochains for d d = 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from physmix.errors import SettingsError, ShapeError

Pair = tuple[int, int]
Field = Shaped[Tensor, "..."]  # of a shape that depends on the direction


@dataclass(frozen=True)
class WalledBox:
    """n_1 x ... x n_d cells with walls all around.

    Attributes:
        cells: n of each dimension.

    Raises:
        SettingsError: if there are fewer than two dimensions, or one has no cell.
    """

    cells: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.cells) < 2 or min(self.cells) < 1:
            raise SettingsError("a box of cells", f"cells={self.cells}", "give two or more numbers from 1 up")

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """(i, j) with i < j, one potential for each."""
        return tuple(itertools.combinations(range(len(self.cells)), 2))

    def shape(self, *normals: int) -> tuple[int, ...]:
        """How many faces normal to i there are, or potentials A_ij: one more than cells along each."""
        return tuple(n + (i in normals) for i, n in enumerate(self.cells))

    def walled(self, potentials: Mapping[Pair, Field]) -> dict[Pair, Field]:
        """The potentials with zeros at the walls they touch, so that nothing flows through any.

        Args:
            potentials: A_ij by (i, j), of `shape(i, j)`.

        Raises:
            ShapeError: if a potential does not fit.
        """
        self._check(potentials)
        found = {}
        for pair, potential in potentials.items():
            held = potential.clone()
            for axis in pair:
                held.select(axis, 0).zero_()
                held.select(axis, -1).zero_()
            found[pair] = held
        return found

    def fluxes(self, potentials: Mapping[Pair, Field]) -> list[Field]:
        """F_i through the faces normal to each i, of `shape(i)`, in the type of the potentials.

        Args:
            potentials: A_ij by (i, j) with i < j, of `shape(i, j)`, one for each of `pairs`.

        Raises:
            ShapeError: if a potential does not fit, or one is missing.
        """
        self._check(potentials)
        if set(potentials) != set(self.pairs):
            raise ShapeError("the potentials", (len(potentials),), f"one for each of {self.pairs}")
        first = potentials[self.pairs[0]]
        found = [first.new_zeros(self.shape(i)) for i in range(len(self.cells))]
        for (i, j), potential in potentials.items():
            found[i] = found[i] + torch.diff(potential, dim=j)
            found[j] = found[j] - torch.diff(potential, dim=i)
        return found

    def outflow(self, fluxes: Sequence[Field]) -> Field:
        """What flows out of each cell, of the shape of the cells.

        Raises:
            ShapeError: if the fluxes do not fit.
        """
        self._check_fluxes(fluxes)
        parts = [torch.diff(flux, dim=i) for i, flux in enumerate(fluxes)]
        return torch.stack(parts).sum(0)

    def through(self, fluxes: Sequence[Field]) -> list[Field]:
        """Fluxes with the given ones on the boundary and no outflow from any cell, to add to walled ones.

        What each cell lacks is evened out along one dimension after the other, so all cells carry part
        of the flux; the net flux from side to side is that of the boundary.

        Args:
            fluxes: of `shape(i)`, floating; those inside are ignored.

        Raises:
            ShapeError: if the fluxes do not fit.
            SettingsError: if more flows in than out.
        """
        self._check_fluxes(fluxes)
        found = []
        for i, flux in enumerate(fluxes):
            held = flux.clone()
            held.narrow(i, 1, self.cells[i] - 1).zero_()
            found.append(held)
        lack = self.outflow(found)
        size = sum(float(flux.abs().sum()) for flux in found)
        if abs(float(lack.sum())) > 100 * torch.finfo(lack.dtype).eps * size:
            problem = f"{float(lack.sum()):.1e} more flows out than in"
            raise SettingsError("the fluxes through the boundary", problem, "make their sum zero")
        for i, n in enumerate(self.cells):
            mean = lack.mean(i, keepdim=True)
            carried = torch.cumsum(lack - mean, i).narrow(i, 0, n - 1)
            found[i].narrow(i, 1, n - 1).sub_(carried)
            lack = mean.expand_as(lack)
        return found

    def velocities(self, fluxes: Sequence[Field], widths: Sequence[Shaped[Tensor, " _"]]) -> list[Field]:
        """F_i over the area of each face, for cells of unequal width.

        Args:
            fluxes: of `shape(i)`.
            widths: of the cells along each dimension, positive, (n_i,).

        Raises:
            ShapeError: if fluxes or widths do not fit.
        """
        self._check_fluxes(fluxes)
        if tuple(len(width) for width in widths) != self.cells:
            raise ShapeError("the widths", [len(width) for width in widths], str(self.cells))
        found = []
        for i, flux in enumerate(fluxes):
            value = flux
            for j, width in enumerate(widths):
                if j != i:
                    value = value / width.view([-1 if k == j else 1 for k in range(len(self.cells))])
            found.append(value)
        return found

    def _check(self, potentials: Mapping[Pair, Field]) -> None:
        for pair, potential in potentials.items():
            if pair not in self.pairs or potential.shape != self.shape(*pair):
                raise ShapeError(f"the potential {pair}", potential.shape, f"{self.shape(*pair)}, i < j")

    def _check_fluxes(self, fluxes: Sequence[Field]) -> None:
        expected = [self.shape(i) for i in range(len(self.cells))]
        if [tuple(flux.shape) for flux in fluxes] != expected:
            got = [math.prod(flux.shape) for flux in fluxes]
            raise ShapeError("the fluxes, counted by faces,", got, f"the shapes {expected}")
