"""What is solved: at once, or by windows of time that follow each other; one interface for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.checking import Finding, judge_model
from physmix.problems import Part, Problem, Region, State, adapted_sample, quadrature
from physmix.training.totals import (
    Window,
    density_total,
    given_at_start,
    given_total,
    outflow,
    totals_of,
)


@runtime_checkable
class Solved(Protocol):
    """What a `Solution` and a `March` have in common, beside the methods of `FromFields`.

    Attributes:
        problem: what was asked.
        unknowns: the numbers that were found, by name.
        residuals: the root mean square of each at the points of the problem, by "term: residual"; the
            largest over the windows.
        fresh: the same at points that the solver has not seen.
        windows: of time, in their order; a single one where all was solved at once.
        weighing: how terms were weighed against each other, in words.
        limited_by: what limits the error, in words.
    """

    @property
    def problem(self) -> Problem: ...  # noqa: D102  as above, also below
    @property
    def unknowns(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def residuals(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def fresh(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def windows(self) -> tuple[Window, ...]: ...  # noqa: D102
    @property
    def weighing(self) -> str: ...  # noqa: D102
    @property
    def limited_by(self) -> str: ...  # noqa: D102

    def at(self, points: Float[Tensor, "point coordinate"]) -> State:
        """Fields and their derivatives at points, in physical units."""

    def integral(  # noqa: D102  see FromFields
        self, where: Part | Region, integrand: Callable[[State], Tensor], *, nodes: int = 64, **fixed: float
    ) -> float: ...
    def residual_size(self, points: Tensor) -> Tensor: ...  # noqa: D102
    def imbalances(self) -> dict[str, float]: ...  # noqa: D102
    def judge(  # noqa: D102
        self, *, points: int = 256, boxes: int = 8, seed: int = 1
    ) -> list[Finding]: ...


class FromFields:
    """What follows from fields at any points, whoever found them."""

    @property
    def fields(self: Solved) -> dict[str, Callable[[Tensor], Tensor]]:
        """The fields as functions of points, such as another solve may start from.

            first = solve(replace(problem, points=1500, boundary_points=500), features=250)
            solution = solve(problem, features=1100, guess=first.fields)

        Where the start is far off, most steps are then those with few features, which cost little. They
        also leave large weights that cancel, and the weights of a fit do not: on Kovasznay's flow with 900
        features they are a hundredth as large, and residuals at round-off a tenth.
        """
        names = self.problem.equations.fields
        return {name: partial(lambda name, points: self.at(points)[name], name) for name in names}

    def integral(
        self: Solved,
        where: Part | Region,
        integrand: Callable[[State], Tensor],
        *,
        nodes: int = 64,
        **fixed: float,
    ) -> float:
        """The integral of a function of the state over a part of the boundary, or over the region.

            drag = solution.integral(hole, lambda y: y["sxx"] * y["nx"] + y["sxy"] * y["ny"])

        Args:
            where: with outward normals y["nx"], y["ny"], ... on a part.
            integrand: one number a point.
            nodes: of the quadrature along each coordinate; Gauss-Legendre, and even on circles.
            fixed: coordinates that are held, such as t=1.0.
        """
        sample, weights = quadrature(where, nodes, **fixed)
        state = self.at(sample.points)
        normals = {f"n{axis}": sample.normals[:, i] for i, axis in enumerate(self.problem.coordinates)}
        return float((weights * integrand(state.with_known(normals))).sum())

    def residual_size(self: Solved, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
        """The root of the sum of squares of the equations' residuals, each over its root mean square here."""
        rule = self.problem.equations.residual
        if rule is None:
            return points.new_zeros(len(points))
        found = torch.stack(list(rule(self.at(points)).values())).square()
        return (found / found.mean(1, keepdim=True).clamp(min=1e-300)).sum(0).sqrt()

    def adapted(
        self: Solved, points: int | None = None, *, power: float = 1.0, floor: float = 1.0, seed: int = 1
    ) -> Problem:
        """The problem at points that are denser where the residuals of this solution are large.

            solution = solve(solution.adapted(), solution.model)

        It helps where points miss what is small. Where features limit the error, or points are merely few,
        even points do as well: on a steep Burgers wave errors were 0.9 to 1.8 times the same, and five
        times as large after a second round with few points.

        Args:
            points: of the region; as many as before if omitted.
            power: see `adapted_sample`.
            floor: see `adapted_sample`.
            seed: of the draw.
        """
        count = points or self.problem.point_count
        region = self.problem.region
        sample = adapted_sample(region, self.residual_size, count, power=power, floor=floor, seed=seed)
        return replace(self.problem, points=sample)

    def judge(self: Solved, *, points: int = 256, boxes: int = 8, seed: int = 1) -> list[Finding]:
        """The laws in each window, judged independently of the derivatives that the solver used."""
        laws = self.problem.laws
        return [
            finding
            for one in self.windows
            for finding in judge_model(
                one.model, laws, one.problem.region.box, points=points, boxes=boxes, seed=seed
            )
        ]

    def imbalances(self: Solved) -> dict[str, float]:
        """For each law of what is conserved and given at the start, how far its total is off at worst.

        That is the total at the end of a window, less what is given at the start, and what has flowed out
        since; over the integrals of the sizes of the density and of its flux through the boundary. A
        steady problem has none.
        """
        given = given_at_start(self.problem)
        found = {}
        for one in totals_of(self.problem.laws, given):
            left = given_total(one, given, self.windows[0])
            worst = size = passed = 0.0
            for window in self.windows:
                left -= outflow(one, window)
                passed += outflow(one, window, size=True)
                low, high = window.problem.region.box["t"]
                worst = max(worst, abs(density_total(one, window, high) - left))
                size = max(size, density_total(one, window, low, size=True))
            found[one.law] = worst / (size + passed) if size + passed else worst
        return found
