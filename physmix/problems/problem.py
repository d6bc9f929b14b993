"""A problem: a region, equations with their laws, conditions, and unknown numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from physmix.errors import SettingsError, listing
from physmix.laws import Law, parse_laws
from physmix.problems.equations import Equations
from physmix.problems.measured import Measured
from physmix.problems.points import Points
from physmix.problems.regions import Region
from physmix.problems.samples import Sample
from physmix.problems.terms import Condition, Pin, Term

_ENOUGH = 100_000


@dataclass(frozen=True)
class Problem:
    """What is to be solved.

        region = Region(x=(-0.5, 1.0), y=(-0.5, 1.5))
        flow = NavierStokes("xy", viscosity=1 / 40)
        problem = Problem(region, flow, [Condition(region.boundary, velocity), Pin({"p": 0.0})])

    Attributes:
        region: whose coordinates are those of the equations.
        equations: fields, the laws among them that hold exactly, and the residuals that are left.
        conditions: on the boundary, at the start, at points, pins, or measurements.
        unknowns: numbers that residuals name and that are to be found, with their first guesses.
        points: of the region at which the equations' residuals are taken: their number; or a sample of your
            own, of which those in the region are taken; or points made some at a time. Beyond some hundred
            thousand they are not held, and their number costs time, but no memory.
        boundary_points: of each condition that does not say its own number.
        seed: of all points.

    Raises:
        SettingsError: if the equations have other coordinates than the region, a condition is none, or two
            give the same field on one part.
    """

    region: Region
    equations: Equations
    conditions: Sequence[Condition | Pin | Measured] = ()
    unknowns: Mapping[str, float] = field(default_factory=dict)
    points: int | Sample | Points = 2500
    boundary_points: int = 800
    seed: int = 0

    def __post_init__(self) -> None:
        if self.equations.coordinates != self.region.coordinates:
            raise SettingsError(
                "the problem",
                f"the equations have the coordinates {listing(self.equations.coordinates)}, the region "
                f"{listing(self.region.coordinates)}",
                "give both the same, in the same order",
            )
        if strange := [one for one in self.conditions if not isinstance(one, Condition | Pin | Measured)]:
            problem = f"{type(strange[0]).__name__} is none"
            remedy = "give Condition(...), Pin(...), or Measured(sensors.points, sensors.values)"
            raise SettingsError("the conditions", problem, remedy)
        self._check_given_once()
        clash = set(self.unknowns) & {*self.equations.fields, *self.equations.coordinates}
        if clash:
            raise SettingsError(
                "the unknown numbers", f"{listing(sorted(clash))} is a field as well", "rename it"
            )

    def _check_given_once(self) -> None:
        """No condition goes before another: least squares would take the mean of two that differ."""
        given = set[tuple[str, str]]()
        for one in self.conditions:
            if not isinstance(one, Condition):
                continue
            for part, name in itertools.product(one.parts, one.values):
                if (part.name, name) in given:
                    problem = f"{name} is given twice on {part.name}"
                    remedy = "name the parts that each condition is for, in place of the whole boundary"
                    raise SettingsError("the conditions", problem, remedy)
                given.add((part.name, name))

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Those of the points, in their order."""
        return self.region.coordinates

    @property
    def laws(self) -> tuple[Law, ...]:
        """The laws that hold exactly."""
        equations = self.equations
        return parse_laws(
            equations.laws, self.coordinates, vectors=equations.vectors, tensors=equations.tensors
        )

    @property
    def inside(self) -> Points:
        """The points of the region, with what each of them stands for.

        Raises:
            SettingsError: if none of a sample is in the region.
        """
        if isinstance(self.points, int):
            return self.region.points(self.points, self.seed)
        if isinstance(self.points, Points):
            return self.points
        kept = self.points.where(self.region.contains(self.points.points))
        if not len(kept):
            raise SettingsError("the points", "none of them is in the region", "give others, or a number")
        return Points(len(kept), lambda: [kept.first(len(kept))])

    @property
    def point_count(self) -> int:
        """How many points were asked for."""
        return self.points if isinstance(self.points, int) else len(self.points)

    def elsewhere(self) -> Problem:
        """The same problem at other points, even over the region: what no solver has seen.

        They are as many; of very many no more than tell a mean square as well.
        """
        return replace(self, points=min(self.point_count, _ENOUGH), seed=self.seed + 7919)

    def terms(self) -> list[Term]:
        """All terms: the equations first, also at the points of the conditions on the boundary.

        An equation that holds inside holds up to the boundary; points there keep a fit from bending
        away where no point is near.
        """
        held = [
            term
            for number, condition in enumerate(self.conditions)
            if isinstance(condition, Condition)
            for term in condition.terms(
                self.coordinates, self.boundary_points, self.seed + 100 * (number + 1)
            )
        ]
        found = (
            [Term(self.equations.name, self._everywhere(held), self.equations.residual)]
            if self.equations.residual
            else []
        )
        pins = [term for one in self.conditions if isinstance(one, Pin) for term in one.terms(self.region)]
        seen = [
            term
            for one in self.conditions
            if isinstance(one, Measured)
            for term in one.terms(self.region, self.equations.derived)
        ]
        return found + held + pins + seen

    def _everywhere(self, held: Sequence[Term]) -> Points:
        """The points inside, and those of conditions."""
        samples = [
            Sample(points, torch.zeros_like(points), share)
            for term in held
            for points, _, share in term.batches()
        ]
        return self.inside.followed_by(*samples)
