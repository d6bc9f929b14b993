"""Projections of random weights, judged by a certificate that knows nothing of their method.

p is the point of a convex set nearest to x exactly if no member z has <x - p, z - p> > 0; the largest
<x - p, z> over members is the support function, written out here for each set. On orthonormal
matrices the distance is compared with that of the singular value decomposition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.benchmarks.row import Row, ours
from physmix.constraints import (
    Ball,
    Box,
    ConstraintSet,
    DoublyStochastic,
    Kind,
    LinearSet,
    Nonnegative,
    Orthonormal,
    Rotation,
    Simplex,
    SpectralBall,
)

CASES = 1000


@dataclass(frozen=True)
class Certified:
    """A set, the shape of a member, and its support function: direction -> largest <direction, z>."""

    members: ConstraintSet
    shape: tuple[int, ...]
    support: Callable[[Tensor], Tensor] | None


def _assignment(direction: Tensor) -> Tensor:
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    best = []
    for matrix in direction.numpy():
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        best.append(float(matrix[rows, columns].sum()))
    return torch.tensor(best, dtype=torch.float64)


def _linear(*, is_complex: bool) -> Certified:
    generator = torch.Generator().manual_seed(1)
    kind = torch.complex128 if is_complex else torch.float64
    members = LinearSet(
        torch.randn(4, 12, generator=generator, dtype=kind), torch.randn(4, generator=generator, dtype=kind)
    )
    origin, basis = members.origin(), members.basis()

    def support(direction: Tensor) -> Tensor:
        # Finite only for directions across the set; what lies along it counts in full.
        along = torch.linalg.vector_norm(direction @ basis.conj(), dim=-1)
        return (direction.conj() @ origin).real + 1e3 * along

    return Certified(members, (12,), support)


def _nonnegative(direction: Tensor) -> Tensor:
    return 1e3 * direction.clamp_min(0).sum(-1)  # unbounded but for directions that point outwards


PROJECTIONS: dict[str, Certified] = {
    "linear": _linear(is_complex=False),
    "complex linear": _linear(is_complex=True),
    "nonnegative": Certified(Nonnegative(), (12,), _nonnegative),
    "box": Certified(Box(-0.5, 0.25), (12,), lambda v: torch.maximum(-0.5 * v, 0.25 * v).sum(-1)),
    "simplex": Certified(Simplex(2.0), (12,), lambda v: 2.0 * v.amax(-1)),
    "1-norm ball": Certified(Ball(1.5, 1), (12,), lambda v: 1.5 * v.abs().amax(-1)),
    "2-norm ball": Certified(Ball(1.5), (12,), lambda v: 1.5 * torch.linalg.vector_norm(v, dim=-1)),
    "max-norm ball": Certified(Ball(0.5, math.inf), (12,), lambda v: 0.5 * v.abs().sum(-1)),
    "spectral ball": Certified(SpectralBall(1.5), (6, 4), lambda v: 1.5 * torch.linalg.svdvals(v).sum(-1)),
    "doubly stochastic": Certified(DoublyStochastic(), (6, 6), _assignment),
    "orthonormal": Certified(Orthonormal(), (6, 4), None),
    "rotation": Certified(Rotation(), (4, 4), None),
}


def optimality_case(name: str) -> Callable[[str], list[Row]]:
    """Optimality, idempotence, expansion and violation over 1,000 random weights."""

    def run(case: str) -> list[Row]:
        certified = PROJECTIONS[name]
        members = certified.members
        generator = torch.Generator().manual_seed(2)
        kind = members.double()
        points, others = (
            2 * torch.randn(CASES, *certified.shape, generator=generator, dtype=kind) for _ in range(2)
        )
        nearest = members.project(points)
        axes = tuple(range(1, points.ndim))
        if certified.support is None:
            missed = _beyond_svd(points, nearest, rotation=isinstance(members, Rotation))
        else:
            direction = points - nearest
            inner = (direction.conj() * nearest).real.sum(axes)
            missed = float((certified.support(direction) - inner).max())
        rows = [
            ours(case, "optimality residual", missed),
            ours(case, "idempotence", float((members.project(nearest) - nearest).abs().max())),
        ]
        if members.kind is not Kind.MANIFOLD:
            apart = torch.linalg.vector_norm(points - others, dim=axes)
            after = torch.linalg.vector_norm(nearest - members.project(others), dim=axes)
            rows.append(ours(case, "expansion", float((after / apart).max())))
        bound = 10 * torch.finfo(kind).eps * math.prod(certified.shape) ** 0.5
        rows.append(ours(case, "violation over its bound", members.violation(nearest) / bound))
        return rows

    return run


def _beyond_svd(points: Tensor, nearest: Tensor, *, rotation: bool) -> float:
    """How much farther the members are than the best ones, from singular values alone."""
    left, values, right = torch.linalg.svd(points, full_matrices=False)
    best = values.sum(-1)
    if rotation:  # the smallest singular value counts against a reflection
        best = best - (torch.linalg.det(left @ right) < 0) * 2 * values[:, -1]
    reached = (points * nearest).sum((-2, -1))
    return float((best - reached).abs().max())
