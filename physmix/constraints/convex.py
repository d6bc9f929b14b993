"""Any convex set that can be written in cvxpy, for what has no closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from physmix.constraints.conic import ConicProjection
from physmix.constraints.rank import minimal_conflict
from physmix.constraints.set import ConstraintSet, Kind
from physmix.errors import ContradictionError, ProjectionError, SettingsError

_SETTLED = 1e-14  # relative; nearer than this to the set, a weight is a member


class Convex(ConstraintSet):
    """Weights that obey constraints written in cvxpy.

        Convex(lambda w: [cvxpy.norm(w, 1) <= 3, w[0] >= w[1]], shape=(8,))

    The projection is compiled once and solved for each member, by Clarabel and then by Newton steps down
    to round-off; so it takes milliseconds. A set of closed form is a thousand times faster.

    Args:
        constraints: gives the constraints of a cvxpy variable.
        shape: of one member.
        tolerance: by how much a projection may miss the set.

    Raises:
        SettingsError: if cvxpy cannot tell that the constraints are convex.
        ContradictionError: if there is no member; it names a minimal conflicting subset.
    """

    kind = Kind.CONVEX

    def __init__(
        self, constraints: Callable[[Any], Sequence[Any]], shape: Sequence[int], tolerance: float = 1e-8
    ) -> None:
        self.shape, self.axes, self.tolerance = tuple(shape), len(shape), tolerance
        self._write = constraints
        self._compile()
        try:
            self.project(torch.zeros(self.shape, dtype=torch.float64))
        except ProjectionError:
            parts = self._parts
            if self._feasible(range(len(parts))):
                raise
            kept = minimal_conflict(len(parts), self._feasible)
            raise ContradictionError(str(parts[i]) for i in kept) from None

    def _compile(self) -> None:
        import cvxpy  # noqa: PLC0415  slow to import, and needed by this set alone

        self._variable = cvxpy.Variable(self.shape)
        parts = list(self._write(self._variable))
        wrong = [str(part) for part in parts if not part.is_dcp(dpp=True)]
        if wrong:
            raise SettingsError(
                "a convex set", f"cvxpy cannot tell that {wrong} are convex", "write them by cvxpy's rules"
            )
        self._nearest_member = ConicProjection(self._variable, parts)
        self._parts = parts

    def _feasible(self, places: Sequence[int] | range) -> bool:
        import cvxpy  # noqa: PLC0415

        parts = [self._parts[i] for i in places]
        problem = cvxpy.Problem(cvxpy.Minimize(0), parts)
        problem.solve(solver=cvxpy.CLARABEL)
        return problem.status not in (cvxpy.INFEASIBLE, cvxpy.INFEASIBLE_INACCURATE)

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member.

        Raises:
            ProjectionError: if the solver fails.
        """
        self.check_shape(weight.shape)
        if weight.is_complex():
            raise SettingsError("a convex set", "the weight is complex", "constrain torch.view_as_real of it")
        points = weight.detach().reshape(-1, *self.shape).cpu().double()
        members = torch.stack([torch.as_tensor(self._nearest(point.numpy())) for point in points])
        return members.reshape(weight.shape).to(weight)

    def _nearest(self, point: Any) -> Any:
        size = 1 + float(abs(point).max())
        near = _SETTLED if self._nearest_member.exact else 0.1 * self.tolerance
        if max(self._missed(point)) <= near * size:
            return point  # so that a member keeps every digit
        found, said = self._nearest_member(point)
        if not max(self._missed(found)) <= self.tolerance * size:
            raise ProjectionError(f"the solver says {said}", "check weight and constraints")
        return found

    def _missed(self, point: Any) -> list[float]:
        """By how much each constraint is violated."""
        self._variable.value = point
        return [float(abs(part.violation()).max()) for part in self._parts]

    def residual(self, weight: Tensor) -> Tensor:
        """By how much each constraint is violated, (*lead, constraint)."""
        self.check_shape(weight.shape)
        points = weight.detach().reshape(-1, *self.shape).cpu().double()
        rows = [self._missed(point.numpy()) for point in points]
        lead = weight.shape[: weight.ndim - self.axes]
        return torch.tensor(rows).reshape(*lead, -1).to(weight)

    def __getstate__(self) -> dict[str, Any]:
        return {"shape": self.shape, "axes": self.axes, "tolerance": self.tolerance, "_write": self._write}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    def __repr__(self) -> str:
        return f"Convex({len(self._parts)} constraints on {math.prod(self.shape)} weights)"
