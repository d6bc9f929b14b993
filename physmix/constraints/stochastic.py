"""Doubly stochastic matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.polyhedron import project_bounded
from physmix.constraints.set import ConstraintSet, Kind, Polyhedral, check_real
from physmix.errors import ShapeError


class _Sums:
    """Row sums, then column sums, of n x n matrices, each over sqrt(n) so that it has unit norm."""

    def __init__(self, size: int) -> None:
        self.size, self.scale = size, size**-0.5
        self.right_side = torch.full((2 * size,), self.scale, dtype=torch.float64)

    def apply(self, member: Tensor) -> Tensor:
        square = member.view(-1, self.size, self.size)
        return self.scale * torch.cat([square.sum(2), square.sum(1)], -1)

    def adjoint(self, multiplier: Tensor) -> Tensor:
        rows, columns = multiplier.split(self.size, -1)
        return self.scale * (rows[:, :, None] + columns[:, None, :]).flatten(1)

    def gram(self, free: Tensor) -> Tensor:
        square = free.view(-1, self.size, self.size)
        top = torch.cat([torch.diag_embed(square.sum(2)), square], 2)
        bottom = torch.cat([square.mT, torch.diag_embed(square.sum(1))], 2)
        return self.scale**2 * torch.cat([top, bottom], 1)


class DoublyStochastic(ConstraintSet):
    """Square matrices, on the last two axes, with entries >= 0 whose rows and columns sum to one.

    Mixing by one is an average that keeps the sum over channels: the convex hull of permutations.
    """

    axes, kind = 2, Kind.CONVEX

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member, by Newton's method on the dual; see `project_bounded`."""
        self.check_shape(weight.shape)
        check_real(weight, self)
        points = weight.flatten(-2).reshape(-1, weight.shape[-1] ** 2).to("cpu", torch.float64)
        zero = points.new_zeros(())
        out = project_bounded(points, _Sums(weight.shape[-1]), zero, zero + torch.inf)
        return out.view_as(weight).to(weight)

    def residual(self, weight: Tensor) -> Tensor:
        """Row sums less one, column sums less one, and negative parts: (*lead, n + 2, n)."""
        self.check_shape(weight.shape)
        rows, columns = weight.sum(-1) - 1, weight.sum(-2) - 1
        return torch.cat([rows[..., None, :], columns[..., None, :], weight.clamp_max(0)], -2)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the matrix is square."""
        super().check_shape(shape)
        if shape[-1] != shape[-2]:
            raise ShapeError("a doubly stochastic weight", shape, "a square matrix")

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral | None:
        """Row and column sums of one matrix, and zero as lower bound."""
        self.check_shape(shape)
        if len(shape) != 2:
            return None
        size = shape[-1]
        eye, one = torch.eye(size, dtype=torch.float64), torch.ones(1, size, dtype=torch.float64)
        rows = torch.cat([torch.kron(eye, one), torch.kron(one, eye)])
        lower = torch.zeros(size * size, dtype=torch.float64)
        names = (*(f"sum of row {i}" for i in range(size)), *(f"sum of column {i}" for i in range(size)))
        return Polyhedral(rows, torch.ones(2 * size, dtype=torch.float64), lower, lower + torch.inf, names)

    def __repr__(self) -> str:
        return "DoublyStochastic()"
