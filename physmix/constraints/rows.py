"""Blocks of rows of a matrix, each in an affine set of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.linear import LinearSet
from physmix.constraints.set import ConstraintSet, Kind, Polyhedral
from physmix.errors import ShapeError


class Rows(ConstraintSet):
    """Matrices whose first rows are members of one linear set, the next ones of another, and so on.

    Args:
        blocks: (set, number of rows) from the first row on.

    Raises:
        ShapeError: if there is no block, or a set does not fit its rows.
    """

    axes, kind = 2, Kind.AFFINE

    def __init__(self, blocks: Sequence[tuple[LinearSet, int]]) -> None:
        self.sets, self.counts = [one for one, _ in blocks], [count for _, count in blocks]
        sizes = {one.size for one in self.sets}
        if len(sizes) != 1 or min(self.counts) < 1 or any(one.is_complex for one in self.sets):
            raise ShapeError(
                "the blocks of rows", (len(blocks),), "one or more real rows each, all of one length"
            )
        self.shape = (sum(self.counts), sizes.pop())
        for one, count in blocks:
            one.check_shape((count, one.size))

    def _each(self, weight: Tensor) -> list[tuple[LinearSet, Tensor]]:
        self.check_shape(weight.shape)
        return list(zip(self.sets, weight.split(self.counts, -2), strict=True))

    def project(self, weight: Tensor) -> Tensor:
        """Each row's nearest member."""
        return torch.cat([one.project(part) for one, part in self._each(weight)], -2)

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """Each row's gradient along its set."""
        del weight, step
        return torch.cat([one.tangent(part) for one, part in self._each(gradient)], -2)

    def residual(self, weight: Tensor) -> Tensor:
        """The residuals of all rows, one after the other."""
        return torch.cat([one.residual(part).flatten(-2) for one, part in self._each(weight)], -1)

    def coordinates(self, weight: Tensor) -> Tensor:
        """The free coordinates of all rows, one after the other."""
        return torch.cat([one.coordinates(part).flatten(-2) for one, part in self._each(weight)], -1)

    def point(self, coordinates: Tensor) -> Tensor:
        """The matrix at free coordinates."""
        lengths = [count * one.nullity for one, count in zip(self.sets, self.counts, strict=True)]
        parts = coordinates.split(lengths, -1)
        return torch.cat(
            [
                one.point(part.unflatten(-1, (count, one.nullity)))
                for one, count, part in zip(self.sets, self.counts, parts, strict=True)
            ],
            -2,
        )

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral:
        """The equations of all rows, without bounds."""
        self.check_shape(shape)
        places = torch.arange(math.prod(shape)).reshape(tuple(shape))
        rows, sides = [], []
        names: list[str] = []
        for one, held in zip(self.sets, places.split(self.counts, -2), strict=True):
            inner = one.polyhedral(held.shape)
            row = inner.matrix.new_zeros(len(inner.matrix), places.numel())
            row[:, held.reshape(-1)] = inner.matrix
            rows.append(row)
            sides.append(inner.right_side)
            names += inner.names
        infinite = torch.full((places.numel(),), torch.inf, dtype=torch.float64)
        return Polyhedral(torch.cat(rows), torch.cat(sides), -infinite, infinite, tuple(names))

    def __repr__(self) -> str:
        parts = (f"{count} rows in {one!r}" for one, count in zip(self.sets, self.counts, strict=True))
        return f"Rows({', '.join(parts)})"
