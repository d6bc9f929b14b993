"""Groups of channels, each in a set of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.set import ConstraintSet, Kind, Polyhedral
from physmix.errors import ShapeError


class Groups(ConstraintSet):
    """Groups of numbers along the last axis, each in a set of vectors of its own; the rest is free.

    Args:
        members: one set for all groups, or one for each.
        groups: the places of each group, such as [[0, 1], [2, 3, 4]].

    Raises:
        ShapeError: if a place is in two groups, or the numbers of sets and groups differ.
    """

    axes = 1

    def __init__(
        self, members: ConstraintSet | Sequence[ConstraintSet], groups: Sequence[Sequence[int]]
    ) -> None:
        sets = [members] * len(groups) if isinstance(members, ConstraintSet) else list(members)
        self.groups = [list(group) for group in groups]
        every = [place for group in self.groups for place in group]
        if len(sets) != len(groups) or len(set(every)) != len(every) or min(every, default=0) < 0:
            raise ShapeError("the groups of a set", (len(groups),), f"{len(sets)} disjoint lists of places")
        if any(one.kind is Kind.MANIFOLD for one in sets):
            raise ShapeError("the groups of a set", (len(groups),), "sets of vectors that are convex")
        if not all(self.groups) or not self.groups:
            raise ShapeError("the groups of a set", (len(groups),), "one group or more, none of them empty")
        for one, group in zip(sets, self.groups, strict=True):
            one.check_shape((len(group),))
        self.sets = sets
        self.is_complex = any(one.is_complex for one in sets)
        self.tolerance = max((one.tolerance for one in sets), default=0.0)
        kinds = {one.kind for one in sets}
        self.kind = kinds.pop() if len(kinds) == 1 else Kind.CONVEX

    def _each(self, weight: Tensor) -> list[tuple[ConstraintSet, list[int], Tensor]]:
        self.check_shape(weight.shape)
        return [(one, g, weight[..., g]) for one, g in zip(self.sets, self.groups, strict=True)]

    def _free(self, size: int) -> list[int]:
        held = {place for group in self.groups for place in group}
        return [place for place in range(size) if place not in held]

    def project(self, weight: Tensor) -> Tensor:
        """Each group's nearest member."""
        out = weight.clone()
        for members, group, part in self._each(weight):
            out[..., group] = members.project(part)
        return out

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """Each group's gradient mapping."""
        out = gradient.clone()
        for members, group, part in self._each(weight):
            out[..., group] = members.map_gradient(part, gradient[..., group], step)
        return out

    def residual(self, weight: Tensor) -> Tensor:
        """The residuals of all groups, one after the other."""
        parts = [members.residual(part) for members, _, part in self._each(weight)]
        lead = weight.shape[:-1]
        return torch.cat([part.reshape(*lead, -1) for part in parts], -1)

    def coordinates(self, weight: Tensor) -> Tensor:
        """The free coordinates of all groups, then the numbers in no group."""
        parts = [members.coordinates(part) for members, _, part in self._each(weight)]
        return torch.cat([*parts, weight[..., self._free(weight.shape[-1])]], -1)

    def point(self, coordinates: Tensor) -> Tensor:
        """The members at free coordinates."""
        counts = [
            int(members.freedom((len(g),)) or 0) for members, g in zip(self.sets, self.groups, strict=True)
        ]
        free = coordinates.shape[-1] - sum(counts)
        size = free + sum(map(len, self.groups))
        *parts, rest = coordinates.split([*counts, free], -1)
        out = coordinates.new_empty(*coordinates.shape[:-1], size)
        for members, group, part in zip(self.sets, self.groups, parts, strict=True):
            out[..., group] = members.point(part)
        out[..., self._free(size)] = rest
        return out

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError if a place of a group is beyond the last axis."""
        super().check_shape(shape)
        last = max((place for group in self.groups for place in group), default=-1)
        if shape[-1] <= last:
            raise ShapeError("a constrained weight", shape, f"{last + 1} or more along the last axis")

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral | None:
        """The equations and bounds of all groups; None if one has none."""
        self.check_shape(shape)
        places = torch.arange(math.prod(shape)).reshape(tuple(shape))
        rows, sides = [], []
        names: list[str] = []
        lower = torch.full((places.numel(),), -torch.inf, dtype=torch.float64)
        upper = -lower
        for members, group in zip(self.sets, self.groups, strict=True):
            inner = members.polyhedral((*shape[:-1], len(group)))
            if inner is None:
                return None
            held = places[..., group].reshape(-1)
            row = torch.zeros(len(inner.matrix), places.numel(), dtype=self.double())
            row[:, held] = inner.matrix
            rows.append(row)
            sides.append(inner.right_side)
            names += inner.names
            lower[held], upper[held] = inner.lower, inner.upper
        return Polyhedral(torch.cat(rows), torch.cat(sides), lower, upper, tuple(names))

    def __repr__(self) -> str:
        return f"Groups({', '.join(f'{g}: {one!r}' for g, one in zip(self.groups, self.sets, strict=True))})"
