"""Linear equations with bounds: projection by Newton's method on the dual problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from physmix.constraints.rank import equilibrate, minimal_conflict, solve
from physmix.constraints.set import ConstraintSet, Kind, Polyhedral, check_real
from physmix.errors import ContradictionError, ProjectionError, ShapeError

_ITERATIONS = 200
_PATIENCE = 4  # steps without progress, near round-off, after which only round-off is left


@runtime_checkable
class System(Protocol):
    """Linear equations A w = b, as what the dual method needs of them."""

    right_side: Tensor

    def apply(self, member: Tensor) -> Tensor:
        """A w, (member, equation)."""
        ...

    def adjoint(self, multiplier: Tensor) -> Tensor:
        """A^T y, (member, number)."""
        ...

    def gram(self, free: Tensor) -> Tensor:
        """A diag(free) A^T, (member, equation, equation)."""
        ...


class DenseSystem:
    """Equations given by a matrix.

    Args:
        matrix: A, (equation, number), with orthonormal rows.
        right_side: b, (equation,).
    """

    def __init__(self, matrix: Tensor, right_side: Tensor) -> None:
        self.matrix, self.right_side = matrix, right_side

    def apply(self, member: Tensor) -> Tensor:
        """A w."""
        return member @ self.matrix.T

    def adjoint(self, multiplier: Tensor) -> Tensor:
        """A^T y."""
        return multiplier @ self.matrix

    def gram(self, free: Tensor) -> Tensor:
        """A diag(free) A^T."""
        return (free[:, None, :] * self.matrix) @ self.matrix.T


def project_bounded(points: Tensor, system: System, lower: Tensor, upper: Tensor) -> Tensor:
    """The nearest w with A w = b and lower <= w <= upper, for each row of `points`, in float64.

    w(y) = clip(x + A^T y) solves the problem for the multiplier y with A w(y) = b, a piecewise linear
    equation: the gradient of a convex function. Newton's method ends on the right piece after
    finitely many steps (Qi and Sun, "A nonsmooth version of Newton's method", 1993; Li, Sun and Toh,
    "On the efficient computation of a generalized Jacobian of the projector over the Birkhoff
    polytope", 2020, for this dual).

    Raises:
        ProjectionError: if it does not converge; then the set is empty, or all but empty.
    """
    side = system.right_side
    if not len(side):
        return torch.clamp(points, lower, upper)
    eye = torch.eye(len(side), dtype=points.dtype, device=points.device)

    def at(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """w(y), the missing A w(y) - b, and the convex function."""
        shifted = points + system.adjoint(y)
        member = torch.clamp(shifted, lower, upper)
        potential = (member * (shifted - 0.5 * member)).sum(-1) - (y * side).sum(-1)
        return member, system.apply(member) - side, potential

    missing = side - system.apply(points)
    y = torch.linalg.solve(system.gram(torch.ones_like(points)) + 1e-12 * eye, missing)
    member, missing, potential = at(y)
    error = missing.abs().amax(-1)
    best, nearest = error, member
    eps, reach = torch.finfo(points.dtype).eps, 1 + points.abs().amax(-1)
    stale, done = torch.zeros_like(error), torch.zeros_like(error, dtype=torch.bool)
    for _ in range(_ITERATIONS):
        size = 1 + member.abs().amax(-1) + side.abs().amax()
        # What w(y) loses to large points is round-off too, but Newton's method decides when it is all.
        done = done | (best <= 4 * eps * size) | ((stale >= _PATIENCE) & (best <= 1e3 * eps * (size + reach)))
        if bool(done.all()):
            return _settled(nearest, best, system, lower, upper)
        shifted = points + system.adjoint(y)
        free = ((shifted > lower) & (shifted < upper)).to(points)
        # An error has the units of w, and y those of the points; so that the steps reach far enough.
        damping = (1e-14 + 1e-2 * error / (error + reach))[:, None, None]
        step = -torch.linalg.solve(system.gram(free) + damping * eye, missing)
        slope = (missing * step).sum(-1)
        length = (~done).to(points)
        for _ in range(40):
            trial = y + length[:, None] * step
            member_, missing_, potential_ = at(trial)
            slack = 1e-12 * (1 + potential.abs())
            good = (potential_ <= potential + 1e-4 * length * slope + slack) | (length == 0)
            if bool(good.all()):
                break
            length = torch.where(good, length, 0.5 * length)
        y, member, missing, potential = trial, member_, missing_, potential_
        error = missing.abs().amax(-1)
        better = error < best
        nearest = torch.where(better[:, None], member, nearest)
        best, stale = torch.where(better, error, best), torch.where(better, 0.0, stale + 1)
    raise ProjectionError(
        f"{_ITERATIONS} Newton steps leave the equations off by {float(best.max()):.1e}",
        "the equations and bounds may all but contradict each other; loosen one",
    )


def _settled(member: Tensor, error: Tensor, system: System, lower: Tensor, upper: Tensor) -> Tensor:
    """The member after one correction of the numbers off their bounds, where it errs less.

    It is computed from the member itself, so that it is right to the round-off of its own size, and
    not of the size of the point that was projected.
    """
    eye = torch.eye(len(system.right_side), dtype=member.dtype, device=member.device)
    free = ((member > lower) & (member < upper)).to(member)
    missing = system.right_side - system.apply(member)
    step = torch.linalg.solve(system.gram(free) + 1e-12 * eye, missing)
    moved = torch.clamp(member + free * system.adjoint(step), lower, upper)
    better = (system.apply(moved) - system.right_side).abs().amax(-1) < error
    return torch.where(better[:, None], moved, member)


class Polyhedron(ConstraintSet):
    """A w = b with lower <= w <= upper, for one member of a given shape.

    Args:
        parts: the equations and bounds, for a member flattened row after row.
        shape: of one member.

    Raises:
        ShapeError: if they do not fit the shape.
        ContradictionError: if there is no member; it names a minimal conflicting subset.
    """

    kind = Kind.CONVEX

    def __init__(self, parts: Polyhedral, shape: Sequence[int]) -> None:
        size = math.prod(shape)
        if parts.matrix.shape != (len(parts.right_side), size) or parts.lower.shape != (size,):
            raise ShapeError("the equations of a polyhedron", parts.matrix.shape, f"(equations, {size})")
        self.parts, self.shape, self.axes = parts, tuple(shape), len(shape)
        if not _feasible(parts, range(len(parts.right_side) + size)):
            labels = [*parts.names, *(f"the bounds of weight {i}" for i in range(size))]
            kept = minimal_conflict(len(labels), lambda rows: _feasible(parts, rows))
            raise ContradictionError(dict.fromkeys(labels[i] for i in kept))
        self.system = DenseSystem(*_orthonormal_rows(parts.matrix, parts.right_side))

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member, by Newton's method on the dual; see `project_bounded`."""
        self.check_shape(weight.shape)
        check_real(weight, self)
        points = weight.reshape(-1, math.prod(self.shape)).to("cpu", torch.float64)
        return (
            project_bounded(points, self.system, self.parts.lower, self.parts.upper)
            .view_as(weight)
            .to(weight)
        )

    def residual(self, weight: Tensor) -> Tensor:
        """Equations missed, each of unit norm, then bounds missed."""
        self.check_shape(weight.shape)
        flat = weight.reshape(*weight.shape[: weight.ndim - self.axes], -1)
        lower, upper = self.parts.lower.to(weight), self.parts.upper.to(weight)
        missed = flat @ self.system.matrix.to(weight).T - self.system.right_side.to(weight)
        return torch.cat([missed, flat - torch.clamp(flat, lower, upper)], -1)

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral | None:
        """The equations and bounds of one member."""
        return self.parts if tuple(shape) == self.shape else None

    def __repr__(self) -> str:
        bounds = int((self.parts.lower > -torch.inf).sum() + (self.parts.upper < torch.inf).sum())
        return f"Polyhedron({len(self.parts.right_side)} equations, {bounds} bounds, shape={self.shape})"


def _orthonormal_rows(matrix: Tensor, right_side: Tensor) -> tuple[Tensor, Tensor]:
    """The same equations with orthonormal rows."""
    solution = solve(matrix, right_side)
    return solution.rows.mT.contiguous(), solution.origin @ solution.rows


def _feasible(parts: Polyhedral, conditions: Sequence[int] | range) -> bool:
    """Whether equations (first) and bounds (after them) at these places can hold together."""
    from scipy.optimize import linprog  # noqa: PLC0415  slow to import, and needed here alone

    count, size = len(parts.right_side), len(parts.lower)
    rows = [i for i in conditions if i < count]
    held = torch.zeros(size, dtype=torch.bool)
    held[[i - count for i in conditions if i >= count]] = True
    lower = torch.where(held, parts.lower, -torch.inf)
    upper = torch.where(held, parts.upper, torch.inf)
    if not rows:
        return bool((lower <= upper).all())
    matrix, side = parts.matrix[rows], parts.right_side[rows]
    if not bool(solve(matrix, side).feasible.all()):
        return False
    # In units in which bounds and rows are near one, for the solver's tolerances are absolute.
    bounds = torch.stack([lower, upper]).abs()
    unit = torch.where(bounds.isfinite(), bounds, 0.0).amax(0)
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    scaled, left, right = equilibrate(matrix * unit)
    found = linprog(
        torch.zeros(size).numpy(),
        A_eq=scaled.numpy(),
        b_eq=(side * left).numpy(),
        bounds=(torch.stack([lower, upper], 1) / (unit * right)[:, None]).numpy(),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return bool(found.status != 2)
