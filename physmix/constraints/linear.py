"""The affine set { w : A w = b }, applied to the last axis of a weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import ContradictionError, SettingsError, ShapeError


class LinearSet:
    """All vectors w of length n with A w = b; leading axes of a weight are independent members.

    Every verb keeps the shape, dtype and device of what it is given.

    Args:
        matrix: A, of shape (m, n). No rows (m = 0) means that every vector is a member.
        right_side: b, of shape (m,); zero if omitted.
        names: one name a row, used when rows contradict each other.
        basis: orthonormal columns that span the null space of A, where it is known exactly.

    Raises:
        ShapeError: if the shapes do not fit.
        SettingsError: if A has no columns, or a number is not finite.
        ContradictionError: if no vector is a member; it names a minimal conflicting subset.
    """

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
        if right_side.shape != (rows,):
            raise ShapeError("the right side b of a linear set", right_side.shape, f"({rows},)")
        matrix, right_side = matrix.detach().double(), right_side.detach().double()
        if self.size == 0 or not (matrix.isfinite().all() and right_side.isfinite().all()):
            problem = "no columns" if self.size == 0 else "numbers that are not finite"
            raise SettingsError("a linear set", f"A or b has {problem}", "correct the constraint")
        # Unit rows make the decisions on rank and feasibility independent of the units of a law.
        norms = matrix.norm(dim=1)
        scale = torch.where(norms > 0, norms, torch.ones_like(norms))
        self.matrix, self.right_side = matrix / scale[:, None], right_side / scale
        labels = [f"row {i}" for i in range(rows)] if names is None else list(names)
        if not _feasible(self.matrix, self.right_side):
            kept = _conflict(self.matrix, self.right_side)
            raise ContradictionError(dict.fromkeys(labels[i] for i in kept))
        if basis is None:
            _, values, vectors = torch.linalg.svd(self.matrix, full_matrices=True)
            basis = vectors[_rank(values, self.matrix.shape) :].T.contiguous()
        self._basis = basis
        self.rank = self.size - basis.shape[1]
        self._projector = self._basis @ self._basis.T
        self._origin = _least_squares(self.matrix, self.right_side)

    @property
    def nullity(self) -> int:
        """The number of free coordinates of a member."""
        return self.size - self.rank

    def basis(self, like: Tensor | None = None) -> Float[Tensor, "n nullity"]:
        """Orthonormal columns N that span the differences of members."""
        return self._basis.clone() if like is None else self._basis.to(like, copy=True)

    def origin(self, like: Tensor | None = None) -> Float[Tensor, " n"]:
        """The member of smallest norm."""
        return self._origin.clone() if like is None else self._origin.to(like, copy=True)

    def project(self, weight: Float[Tensor, "*lead n"]) -> Float[Tensor, "*lead n"]:
        """The member nearest to each vector: w0 + N N^T w."""
        return self._origin.to(weight) + weight @ self._projector.to(weight)

    def map_gradient(
        self, weight: Float[Tensor, "*lead n"], gradient: Float[Tensor, "*lead n"]
    ) -> Float[Tensor, "*lead n"]:
        """The gradient mapping (w - P(w - eta g)) / eta of a member w: here N N^T g for any eta."""
        del weight  # an affine set has the same tangent space everywhere
        return gradient @ self._projector.to(gradient)

    def residual(self, weight: Float[Tensor, "*lead n"]) -> Float[Tensor, "*lead m"]:
        """A w - b, each row scaled to unit norm."""
        return weight @ self.matrix.to(weight).T - self.right_side.to(weight)

    def contains(self, weight: Float[Tensor, "*lead n"]) -> bool:
        """Whether every vector is a member to the round-off of its dtype."""
        size = torch.linalg.vector_norm(weight, dim=-1, keepdim=True) + self._origin.norm()
        bound = 10 * torch.finfo(weight.dtype).eps * self.size**0.5 * (1 + size)
        return bool((self.residual(weight).abs() <= bound).all())

    def sample(
        self,
        *lead: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Float[Tensor, "*lead n"]:
        """Members drawn from the standard normal distribution on the set."""
        free = torch.randn(*lead, self.nullity, generator=generator, dtype=torch.float64)
        return (self._origin + free @ self._basis.T).to(dtype)


def _rank(values: Tensor, shape: Sequence[int]) -> int:
    if values.numel() == 0:
        return 0
    return int((values > max(shape) * torch.finfo(values.dtype).eps * values[0]).sum())


def _least_squares(matrix: Tensor, right_side: Tensor) -> Tensor:
    left, values, vectors = torch.linalg.svd(matrix, full_matrices=False)
    rank = _rank(values, matrix.shape)
    return vectors[:rank].T @ ((left[:, :rank].T @ right_side) / values[:rank])


def _feasible(matrix: Tensor, right_side: Tensor) -> bool:
    miss = matrix @ _least_squares(matrix, right_side) - right_side
    scale = right_side.abs().max().item() if right_side.numel() else 0.0
    return miss.numel() == 0 or miss.abs().max().item() <= 1e-10 * scale


def _conflict(matrix: Tensor, right_side: Tensor) -> list[int]:
    """A minimal subset of rows in conflict, by deletion: a row is kept if dropping it cures."""
    kept = list(range(len(matrix)))
    for row in list(kept):
        rest = [i for i in kept if i != row]
        if not _feasible(matrix[rest], right_side[rest]):
            kept = rest
    return kept
