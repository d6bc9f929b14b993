"""Rank decisions on floating-point equations, independent of the units of rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_REFINEMENTS = 3  # so that small unknowns are right beside large ones


@dataclass(frozen=True)
class Rank:
    """A decision on the rank of a matrix, and how clear it was.

    Attributes:
        rank: the number of independent rows.
        gap: the smallest singular value that counts over the largest that does not, after rows and
            columns were scaled to one size; infinite if none was left out, or what was left is zero.
    """

    rank: int
    gap: float


@dataclass(frozen=True)
class Solution:
    """All solutions of A w = b: origin + basis theta.

    Attributes:
        origin: of smallest norm, shape (*lead, n).
        basis: orthonormal columns that span the null space, (n, n - rank).
        rows: orthonormal columns that span the rows as vectors, (n, rank): the complement of the basis.
        feasible: for each right side, whether there is a solution at all, shape (*lead,).
    """

    origin: Tensor
    basis: Tensor
    rows: Tensor
    rank: Rank
    feasible: Tensor


def solve(matrix: Tensor, right_side: Tensor, basis: Tensor | None = None) -> Solution:
    """Solve A w = b for each right side.

    Args:
        matrix: A, (m, n).
        right_side: b, (*lead, m).
        basis: of the null space, where it is known; it decides the rank.
    """
    rows, columns = matrix.shape
    scaled, left, right = equilibrate(matrix)
    u, values, vectors = torch.linalg.svd(scaled, full_matrices=basis is None and rows < columns)
    known = None if basis is None else columns - basis.shape[1]
    rank = _decide(values, scaled.shape, known)
    count = rank.rank
    scaled_right = right_side * left
    inverse = (vectors[:count].mH / values[:count]) @ u[:, :count].mH
    scaled_origin = scaled_right @ inverse.mT
    for _ in range(_REFINEMENTS):
        scaled_origin = scaled_origin + (scaled_right - scaled_origin @ scaled.mT) @ inverse.mT
    missed = (scaled_origin @ scaled.mT - scaled_right).abs()
    # Row by row, for what is large in one row may be round-off in another (Oettli and Prager, 1964);
    # and what round-off in each row does to the others, by the condition of Bauer and Skeel.
    size = scaled_origin.abs() @ scaled.abs().mT + scaled_right.abs()
    spread = size @ inverse.abs().mT @ scaled.abs().mT
    eps = torch.finfo(size.dtype).eps
    allowed = 1e-10 * size + 100 * eps * spread
    if rows:  # unknowns that vanish leave nothing to compare with
        allowed = allowed + eps**2 * size.amax(-1, keepdim=True)
    if basis is None:
        spanned = right[:, None] * vectors[count:].mH
        basis = torch.linalg.qr(spanned).Q if columns > count else spanned
    # The columns are scaled back before they are made orthonormal: a row space of A itself would lose
    # what is small in its units.
    spanning = torch.linalg.qr(vectors[:count].mH / right[:, None]).Q
    origin = scaled_origin * right
    origin = origin - (origin @ basis.conj()) @ basis.mT
    # What is left may be far smaller than what was taken away, so its round-off is made good.
    correction = ((scaled_right - (origin / right) @ scaled.mT) @ inverse.mT) * right
    origin = origin + correction - (correction @ basis.conj()) @ basis.mT
    return Solution(origin, basis, spanning, rank, (missed <= allowed).all(-1))


def equilibrate(matrix: Tensor, sweeps: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Scale rows and columns to unit norm as nearly as both can be; returns D_r A D_c, D_r, D_c.

    Powers of two, so that scaling rounds nothing (Ruiz, RAL-TR-2001-034, in the 2-norm).
    """
    left = matrix.real.new_ones(matrix.shape[0])
    right = matrix.real.new_ones(matrix.shape[1])
    for sweep in range(sweeps):
        scaled = left[:, None] * matrix * right
        root = 1.0 if sweep == 0 else 0.5
        left = left * _inverse_power(torch.linalg.vector_norm(scaled, dim=1), root)
        scaled = left[:, None] * matrix * right
        right = right * _inverse_power(torch.linalg.vector_norm(scaled, dim=0), 0.5)
    return left[:, None] * matrix * right, left, right


def _inverse_power(norms: Tensor, root: float) -> Tensor:
    safe = torch.where(norms > 0, norms, torch.ones_like(norms))
    return torch.exp2(-torch.round(root * torch.log2(safe)))


def _decide(values: Tensor, shape: Sequence[int], known: int | None) -> Rank:
    if values.numel() == 0:
        return Rank(0, float("inf"))
    bound = max(shape) * torch.finfo(values.dtype).eps * values[0]
    count = int((values > bound).sum()) if known is None else known
    left_out = float(values[count]) if count < len(values) else 0.0
    gap = float(values[count - 1]) / left_out if count and left_out else float("inf")
    return Rank(count, gap)


def minimal_conflict(rows: int, feasible: Callable[[list[int]], bool]) -> list[int]:
    """A minimal subset of conditions in conflict, by deletion: one is kept if dropping it cures.

    Args:
        rows: the number of conditions, in conflict all together.
        feasible: whether the conditions at these places can hold together.
    """
    kept = list(range(rows))
    for row in range(rows):
        rest = [i for i in kept if i != row]
        if not feasible(rest):
            kept = rest
    return kept
