"""Linear equality: vectors with A w = b; and with it A W = B on outputs and W C = F on inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.rank import Rank, minimal_conflict, solve
from physmix.constraints.set import Constant, ConstraintSet, Kind, Polyhedral
from physmix.errors import ContradictionError, SettingsError, ShapeError

_DENSE = 192  # up to here one product with the projector is faster than two with a basis


class LinearSet(ConstraintSet):
    """All vectors w of length n with A w = b, real or complex, along the last axis of a weight.

    For a matrix W of shape (outputs, inputs) this is W C = F with C = A^T and the rows of F as
    right sides. `on_outputs`, `on_inputs` and `on_weight` make the three forms of a matrix.

    Args:
        matrix: A, of shape (m, n). No rows (m = 0) means that every vector is a member.
        right_side: b, of shape (m,), or (*lead, m) for a right side of each leading member; zero if
            omitted.
        names: one name a row, used when rows contradict each other.
        basis: orthonormal columns that span the null space of A, where it is known exactly.

    Raises:
        ShapeError: if the shapes do not fit.
        SettingsError: if A has no columns, or a number is not finite.
        ContradictionError: if no vector is a member; it names a minimal conflicting subset.
    """

    axes, kind = 1, Kind.AFFINE

    def __init__(
        self,
        matrix: Tensor,
        right_side: Tensor | None = None,
        names: Sequence[str] | None = None,
        basis: Tensor | None = None,
    ) -> None:
        if matrix.ndim != 2:
            raise ShapeError("the matrix A of a linear set", matrix.shape, "(rows, columns)")
        rows, self.size = matrix.shape
        right_side = matrix.new_zeros(rows) if right_side is None else right_side
        if right_side.ndim == 0 or right_side.shape[-1] != rows:
            raise ShapeError("the right side b of a linear set", right_side.shape, f"(..., {rows})")
        if names is not None and len(names) != rows:
            raise ShapeError("the names of a linear set", (len(names),), f"({rows},)")
        dtype = torch.promote_types(torch.promote_types(matrix.dtype, right_side.dtype), torch.float64)
        matrix, right_side = matrix.detach().to(dtype), right_side.detach().to(dtype)
        if self.size == 0 or not (matrix.isfinite().all() and right_side.isfinite().all()):
            problem = "no columns" if self.size == 0 else "numbers that are not finite"
            raise SettingsError("a linear set", f"A or b has {problem}", "correct the constraint")
        self.is_complex = matrix.is_complex()
        self.places = right_side.ndim - 1
        norms = torch.linalg.vector_norm(matrix, dim=1)
        scale = torch.where(norms > 0, norms, torch.ones_like(norms))
        self.matrix, self.right_side = matrix / scale[:, None], right_side / scale
        self.names = tuple(f"row {i}" for i in range(rows)) if names is None else tuple(names)
        solution = solve(self.matrix, self.right_side, basis)
        if not bool(solution.feasible.all()):
            raise ContradictionError(dict.fromkeys(self.names[i] for i in self._conflict(solution.feasible)))
        self.rank: Rank = solution.rank
        self._origin, self._null = Constant(solution.origin), solution.basis
        # Of the two factors of the projection the narrower one; a given basis is exact, so it stays.
        self._remove = basis is None and 2 * self.rank.rank < self.size and self.size > _DENSE
        self._factor = Constant(solution.rows if self._remove else self._null)
        dense = self.size <= _DENSE
        self._projector = Constant((self._null @ self._null.mH).mT) if dense else None
        self._matrix, self._right_side = Constant(self.matrix), Constant(self.right_side)

    def _conflict(self, feasible: Tensor) -> list[int]:
        side = self.right_side.expand(*feasible.shape, -1)[~feasible][0]
        return minimal_conflict(
            len(self.matrix), lambda rows: bool(solve(self.matrix[rows], side[rows]).feasible.all())
        )

    @property
    def nullity(self) -> int:
        """The number of free coordinates of one member."""
        return self.size - self.rank.rank

    def basis(self) -> Tensor:
        """Orthonormal columns N, (n, nullity), that span the differences of members."""
        return self._null.clone()

    def origin(self) -> Tensor:
        """The member of smallest norm, (*lead, n)."""
        return self._origin.value.clone()

    def tangent(self, vector: Tensor) -> Tensor:
        """The part of each vector along the set: N N^H v."""
        self.check_shape(vector.shape)
        self._check_field(vector)
        if self._projector is not None:
            return vector @ self._projector.like(vector)
        factor = self._factor.like(vector)
        along = (vector @ factor.conj()) @ factor.mT
        return vector - along if self._remove else along

    def project(self, weight: Tensor) -> Tensor:
        """The member nearest to each vector: w0 + N N^H w."""
        along = self.tangent(weight)
        return self._origin.like(weight) + along

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """The gradient mapping, here N N^H g for any step: the tangent space is the same everywhere."""
        del weight, step
        return self.tangent(gradient)

    def residual(self, weight: Tensor) -> Tensor:
        """A w - b, each row scaled to unit norm, (*lead, m)."""
        self.check_shape(weight.shape)
        self._check_field(weight)
        return weight @ self._matrix.like(weight).mT - self._right_side.like(weight)

    def coordinates(self, weight: Tensor) -> Tensor:
        """theta = N^H (w - w0), (*lead, nullity)."""
        self.check_shape(weight.shape)
        self._check_field(weight)
        return (weight - self._origin.like(weight)) @ self._null.conj().to(weight)

    def point(self, coordinates: Tensor) -> Tensor:
        """w = w0 + N theta, (*lead, n)."""
        self._check_field(coordinates)
        return self._origin.like(coordinates) + coordinates @ self._null.mT.to(coordinates)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the last axis has length n and the leading ones fit b."""
        lead = self.right_side.shape[:-1]
        fits = len(shape) > len(lead) and shape[-1] == self.size
        if not fits or (lead and tuple(shape[-1 - len(lead) : -1]) != tuple(lead)):
            raise ShapeError(
                "a constrained weight", shape, f"(..., {', '.join(map(str, (*lead, self.size)))})"
            )

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral:
        """A w = b for every leading member, without bounds."""
        self.check_shape(shape)
        members = 1
        for length in shape[:-1]:
            members *= length
        eye = torch.eye(members, dtype=self.matrix.dtype)
        infinite = torch.full((members * self.size,), torch.inf, dtype=torch.float64)
        side = self.right_side.expand(*shape[:-1], -1).reshape(-1)
        return Polyhedral(
            torch.kron(eye, self.matrix.contiguous()), side, -infinite, infinite, self.names * members
        )

    def homogeneous(self) -> LinearSet:
        """The set of differences of members: A w = 0."""
        return LinearSet(self.matrix, names=self.names, basis=self._null)

    def _check_field(self, weight: Tensor) -> None:
        if self.is_complex and not weight.is_complex():
            raise SettingsError(
                "a linear set",
                f"its equations are complex and the weight is {weight.dtype}",
                "make the weight complex, or stack A.real over A.imag for a real weight",
            )

    def __repr__(self) -> str:
        field = "complex " if self.is_complex else ""
        return (
            f"LinearSet({len(self.matrix)} {field}equations for {self.size} weights: rank {self.rank.rank} "
            f"(gap {self.rank.gap:.0e}), {self.nullity} free)"
        )
