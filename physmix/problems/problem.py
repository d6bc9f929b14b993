"""A problem: a region, equations with their laws, conditions, and unknown numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from physmix.errors import SettingsError, listing
from physmix.laws import Law, parse_laws
from physmix.problems.equations import Equations
from physmix.problems.measured import Measured
from physmix.problems.regions import Region
from physmix.problems.samples import Sample
from physmix.problems.terms import Condition, Pin, Term


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
        points: of the region at which the equations' residuals are taken: how many, or a sample of your
            own, of which those in the region are taken.
        boundary_points: of each condition that does not say its own number.
        seed: of all points.

    Raises:
        SettingsError: if the equations have other coordinates than the region.
    """

    region: Region
    equations: Equations
    conditions: Sequence[Condition | Pin | Measured] = ()
    unknowns: Mapping[str, float] = field(default_factory=dict)
    points: int | Sample = 2500
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
        clash = set(self.unknowns) & {*self.equations.fields, *self.equations.coordinates}
        if clash:
            raise SettingsError(
                "the unknown numbers", f"{listing(sorted(clash))} is a field as well", "rename it"
            )

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
    def inside(self) -> Sample:
        """The points of the region, with what each of them stands for."""
        if isinstance(self.points, int):
            return self.region.sample(self.points, self.seed)
        kept = self.points.where(self.region.contains(self.points.points))
        if not len(kept.points):
            raise SettingsError("the points", "none of them is in the region", "give others, or a number")
        return kept.first(len(kept.points))

    def fresh(self) -> Problem:
        """The same problem at other points, as many, even over the region: what no solver has seen."""
        count = self.points if isinstance(self.points, int) else len(self.points.points)
        return replace(self, points=count, seed=self.seed + 7919)

    def terms(self) -> list[Term]:
        """All terms: the equations first, also at the points of the conditions on the boundary.

        An equation that holds inside holds up to the boundary; points there keep a fit from bending
        away where no point is near.
        """
        inside = self.inside
        held = [
            term
            for number, condition in enumerate(self.conditions)
            if isinstance(condition, Condition)
            for term in condition.terms(
                self.coordinates, self.boundary_points, self.seed + 100 * (number + 1)
            )
        ]
        at = torch.cat([inside.points, *(term.points for term in held)])
        share = torch.cat([inside.share, *(at.new_ones(0) if t.share is None else t.share for t in held)])
        found = (
            [Term(self.equations.name, at, self.equations.residual, share=share)]
            if self.equations.residual
            else []
        )
        pins = [term for one in self.conditions if isinstance(one, Pin) for term in one.terms(self.region)]
        seen = [
            term
            for one in self.conditions
            if isinstance(one, Measured)
            for term in one.terms(self.coordinates, self.equations.derived)
        ]
        return found + held + pins + seen
