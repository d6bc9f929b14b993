"""Intersections: several sets at once, in closed form where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.linear import LinearSet
from physmix.constraints.polyhedron import Polyhedron
from physmix.constraints.rank import minimal_conflict
from physmix.constraints.set import ConstraintSet, Kind, Polyhedral
from physmix.constraints.views import Whole
from physmix.errors import ContradictionError, ProjectionError, UnsupportedSetError

_SWEEPS = 5_000
_GLANCES, _REACH = 300, 1e6


def intersect(*sets: ConstraintSet, shape: Sequence[int]) -> ConstraintSet:
    """The weights that are in every one of some convex sets.

    Equations together are solved as one linear set, equations with bounds as one polyhedron; whatever
    is left meets by Dykstra's method.

    Args:
        sets: affine or convex, for a weight of the shape.
        shape: of one member, such as (outputs, inputs).

    Raises:
        ShapeError: if a set does not fit the shape.
        UnsupportedSetError: if a set is not convex.
        ContradictionError: if there is no member; it names a minimal conflicting subset.
    """
    for one in sets:
        one.check_shape(shape)
        if one.kind is Kind.MANIFOLD:
            raise UnsupportedSetError(repr(one), "intersections", "constrain another weight with it")
    if len(sets) == 1:
        return sets[0]
    flat = {id(one): one.polyhedral(shape) for one in sets}
    parts = [part for part in flat.values() if part is not None]
    rest = [one for one in sets if flat[id(one)] is None]
    if not rest:
        return _together(parts, shape)
    held = [one for one in sets if flat[id(one)] is not None]
    together = held if len(held) <= 1 else [_together(parts, shape)]
    return Meeting([*together, *rest], shape)


def _together(parts: Sequence[Polyhedral], shape: Sequence[int]) -> ConstraintSet:
    lower = torch.stack([part.lower for part in parts]).amax(0)
    upper = torch.stack([part.upper for part in parts]).amin(0)
    matrix = torch.cat([part.matrix for part in parts])
    side = torch.cat([part.right_side for part in parts])
    names = tuple(name for part in parts for name in part.names)
    fixed = lower == upper
    if bool((fixed | (lower.isinf() & upper.isinf())).all()):  # no inequality is left
        places = fixed.nonzero()[:, 0]
        rows = torch.eye(len(lower), dtype=matrix.dtype)[places]
        labels = (*names, *(f"weight {int(i)} = {float(lower[i]):g}" for i in places))
        equations = LinearSet(torch.cat([matrix, rows]), torch.cat([side, lower[places].to(side)]), labels)
        return Whole(equations, shape)
    if matrix.is_complex():
        raise UnsupportedSetError(
            "bounds on complex weights", "intersections", "bound their absolute value by Ball"
        )
    return Polyhedron(Polyhedral(matrix, side, lower, upper, names), shape)


class Meeting(ConstraintSet):
    """The intersection of convex sets whose projections are known one by one.

    Args:
        sets: affine or convex, two or more.
        shape: of one member.
        tolerance: by how much a projection may miss each set.

    Raises:
        ContradictionError: if there is no member; it names a minimal conflicting subset.
    """

    kind = Kind.CONVEX

    def __init__(self, sets: Sequence[ConstraintSet], shape: Sequence[int], tolerance: float = 1e-10) -> None:
        self.sets, self.shape, self.axes = list(sets), tuple(shape), len(shape)
        self.is_complex = any(one.is_complex for one in sets)
        self.tolerance = max(tolerance, *(one.tolerance for one in sets))
        if not self._meet(range(len(self.sets))):
            kept = minimal_conflict(len(self.sets), self._meet)
            raise ContradictionError(repr(self.sets[i]) for i in kept)

    def _meet(self, places: Sequence[int] | range) -> bool:
        """Whether the sets at these places have a common member."""
        sets = [self.sets[i] for i in places]
        try:
            if self._apart(sets):
                return False
            self._project(torch.zeros(self.shape, dtype=self.double()), sets)
        except ProjectionError:
            return False
        return True

    def _apart(self, sets: Sequence[ConstraintSet]) -> bool:
        """Whether the sets certainly have no common member within reach.

        With g_i = z - P_i(z), every common member x has Re <sum g_i, x - z> <= -sum |g_i|^2; so it is
        further from z than sum |g_i|^2 / |sum g_i|. Moving z to the mean of its projections lessens
        sum g_i, while the g_i themselves stay if the sets do not meet.
        """
        point = torch.zeros(self.shape, dtype=self.double())
        for _ in range(_GLANCES):
            met = torch.stack([one.project(point) for one in sets])
            gaps = point - met
            size = 1 + float(met.abs().max())
            distance, pull = float(gaps.abs().square().sum()), float(torch.linalg.vector_norm(gaps.sum(0)))
            if distance <= (self.tolerance * size) ** 2:
                return False
            if distance > _REACH * size * pull:
                return True
            point = met.mean(0)
        return False

    def project(self, weight: Tensor) -> Tensor:
        """The nearest common member.

        Raises:
            ProjectionError: if it does not converge; then the sets all but miss each other.
        """
        self.check_shape(weight.shape)
        return self._project(weight.to(self.double(weight.dtype)), self.sets).to(weight)

    def _project(self, weight: Tensor, sets: Sequence[ConstraintSet]) -> Tensor:
        """Dykstra's method, which descends on the dual problem, with Nesterov's momentum.

        Each set after the first has a correction, the multiplier of its constraint; momentum starts
        anew where it would climb (Beck and Teboulle, 2009; O'Donoghue and Candes, 2015).
        """
        first, *others = sets
        if not others:
            return first.project(weight)
        axes = tuple(range(-self.axes, 0))
        step = 1.0 / len(others)
        corrections = weight.new_zeros(len(others), *weight.shape)
        ahead, age = corrections, weight.real.new_ones(weight.shape[: weight.ndim - self.axes])
        for _ in range(_SWEEPS):
            member = first.project(weight - ahead.sum(0))
            pushed = ahead + step * member
            met = torch.stack([one.project(push / step) for one, push in zip(others, pushed, strict=True)])
            apart = float((met - member).abs().max())
            size = 1 + float(member.abs().max())
            if apart <= 0.1 * self.tolerance * size:
                return member
            if float(pushed.abs().max()) > 1e8 * (size + float(weight.abs().max())):
                break  # multipliers grow without bound where sets do not meet
            update = pushed - step * met
            climbs = ((ahead - update).conj() * (update - corrections)).real.sum((0, *axes)) > 0
            age = torch.where(climbs, 1.0, age)
            older = 0.5 * (1 + (1 + 4 * age**2).sqrt())
            pace = ((age - 1) / older)[(...,) + (None,) * self.axes]
            ahead, corrections, age = update + pace * (update - corrections), update, older
        raise ProjectionError(
            f"the sets are still {apart:.1e} apart after {_SWEEPS} sweeps",
            "they may all but miss each other; loosen one, or write them as one Convex set",
        )

    def residual(self, weight: Tensor) -> Tensor:
        """The residuals of all sets, one after the other."""
        self.check_shape(weight.shape)
        lead = weight.shape[: weight.ndim - self.axes]
        return torch.cat([one.residual(weight).abs().reshape(*lead, -1) for one in self.sets], -1)

    def __repr__(self) -> str:
        return f"Meeting({', '.join(map(repr, self.sets))})"
