"""Solving a problem, and what comes out."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.checking import Finding, judge_model
from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import DerivativeMap, Entry
from physmix.mixing.support import WeightLayout
from physmix.problems import (
    Part,
    Problem,
    Region,
    Residuals,
    State,
    adapted_sample,
    feature_model,
    quadrature,
    weighed_in_words,
)
from physmix.training.gauss_newton import Step, Trace, solve_last_layer

_FRESH = 3.0  # times larger at fresh points: the collocation points are too few


@dataclass(frozen=True)
class Forecast:
    """What a solve will cost, before it starts.

    Attributes:
        columns: free weights and unknown numbers.
        rows: residuals.
        gigaflops: of one step.
        seconds: of one step, by the speed of a small factorisation on this machine.
        gigabytes: held at once.
    """

    columns: int
    rows: int
    gigaflops: float
    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        return (
            f"{self.rows} residuals, {self.columns} unknowns: about {self.seconds:.1f} s a step "
            f"({self.gigaflops:.1f} GFLOP), {self.gigabytes:.1f} GB"
        )


def forecast(residuals: Residuals) -> Forecast:
    """The cost of a Gauss-Newton step; with subdomains an upper bound."""
    columns, rows = residuals.layout.count + len(residuals.unknowns), residuals.count
    flops = 2.0 * (rows + columns) * columns**2
    sample = torch.randn(600, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    begin = time.perf_counter()
    torch.linalg.qr(sample, mode="r")
    speed = 2.0 * 600 * 200**2 / (time.perf_counter() - begin)
    held = 8.0 * (3 * columns**2 + residuals.kept)
    return Forecast(columns, rows, flops / 1e9, flops / speed, held / 1e9)


class Asked(Mapping[str, Tensor]):
    """Values that are made when they are asked for."""

    def __init__(self, rules: Mapping[str, Callable[[], Tensor]]) -> None:
        self._rules = rules

    def __getitem__(self, name: str) -> Tensor:
        return self._rules[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


@dataclass(frozen=True)
class Solution:
    """A solved problem.

    Attributes:
        problem: what was asked.
        model: obeys the laws at every point, whatever its weights.
        unknowns: the numbers that were found, by name.
        trace: of the solver.
        residuals: the root mean square of each at the points of the problem, by "term: residual".
        fresh: the same at points that the solver has not seen.
        balance: how much each term counts by itself, beside its weight; see `Residuals.balanced`.
    """

    problem: Problem
    model: PotentialModel
    unknowns: Mapping[str, float]
    trace: Trace
    residuals: Mapping[str, float]
    fresh: Mapping[str, float]
    balance: Mapping[str, float] = field(default_factory=dict)

    def at(self, points: Float[Tensor, "point coordinate"]) -> State:
        """Fields and their derivatives at points, in physical units: y["ux"], y.d("ux", "xy").

        What follows from the fields, such as a pressure, is known by name as well.
        """
        layout = WeightLayout(self.model)

        @cache
        def lookup(entry: Entry) -> Tensor:
            found = points.new_zeros(len(points))
            derivatives = DerivativeMap(self.model, [entry])
            with torch.no_grad():
                for places, support in layout.supports(points):
                    for some in places.split(4096):
                        channels = derivatives.channels(points[some], support)
                        found[some] = derivatives.values(points[some], support, channels)[0]
            return found

        numbers = {name: points.new_full((len(points),), value) for name, value in self.unknowns.items()}
        places = {name: points[:, i] for i, name in enumerate(self.problem.coordinates)}
        state = State(self.problem.coordinates, self.model.fields, places | numbers, lookup)
        derived = Asked({k: partial(rule, state) for k, rule in self.problem.equations.derived.items()})
        known = ChainMap(places, numbers, derived)  # type: ignore[arg-type]
        return State(self.problem.coordinates, self.model.fields, known, lookup)

    def integral(
        self, where: Part | Region, integrand: Callable[[State], Tensor], *, nodes: int = 64, **fixed: float
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

    def residual_size(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
        """The root of the sum of squares of the equations' residuals, each over its root mean square here."""
        rule = self.problem.equations.residual
        if rule is None:
            return points.new_zeros(len(points))
        found = torch.stack(list(rule(self.at(points)).values())).square()
        return (found / found.mean(1, keepdim=True).clamp(min=1e-300)).sum(0).sqrt()

    def adapted(
        self, points: int | None = None, *, power: float = 1.0, floor: float = 1.0, seed: int = 1
    ) -> Problem:
        """The problem at points that are denser where the residuals of this solution are large.

            solution = solve(solution.adapted(), solution.model)

        It helps where points miss what is small. Where features limit the error, or points are merely few,
        even points do as well: on a steep Burgers wave errors stayed within 0.9 to 1.8 times the same.

        Args:
            points: of the region; as many as before if omitted.
            power: see `adapted_sample`.
            floor: see `adapted_sample`.
            seed: of the draw.
        """
        before = self.problem.points
        count = points or (before if isinstance(before, int) else len(before.points))
        region = self.problem.region
        sample = adapted_sample(region, self.residual_size, count, power=power, floor=floor, seed=seed)
        return replace(self.problem, points=sample)

    def judge(self, *, points: int = 256, boxes: int = 8, seed: int = 1) -> list[Finding]:
        """The laws, judged independently of the derivatives that the solver used."""
        box = self.problem.region.box
        return judge_model(self.model, self.problem.laws, box, points=points, boxes=boxes, seed=seed)

    @property
    def weighing(self) -> str:
        """How terms were weighed against each other, in words."""
        return weighed_in_words(self.balance)

    @property
    def limited_by(self) -> str:
        """What limits the error, in words."""
        ratios = {
            name: self.fresh[name] / self.residuals[name] for name in self.residuals if self.residuals[name]
        }
        worst = max(ratios, key=ratios.__getitem__, default="")
        if worst and ratios[worst] > _FRESH:
            return (
                f"the collocation points: {worst} is {ratios[worst]:.1f} times larger at fresh points; "
                "give more points, or fewer features"
            )
        if self.trace.steps and self.trace.steps[-1].damping > 1e-12:
            return "the solver: it was still damped at its last step; give more steps, or a better start"
        return "the features: residuals are as large at fresh points; give more features, or other slopes"


def solve(
    problem: Problem,
    model: PotentialModel | None = None,
    *,
    steps: int = 20,
    balance: bool = True,
    progress: Callable[[Step], None] | None = None,
    **features: object,
) -> Solution:
    """Solve a problem on frozen random features, by Gauss-Newton on their mixing weights.

    Args:
        problem: equations, region and conditions.
        model: to start from, such as the solution at a lower Reynolds number; its weights are changed.
            Without one it is made by `feature_model`, and starts at zero.
        steps: at most.
        balance: weigh terms by their sensitivity, see `Residuals.balanced`; else by their weights alone.
        progress: called after each step.
        features: of `feature_model`, such as features=700, slope=4.0.

    Raises:
        SettingsError: if numbers do not fit, or a residual is not finite.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
    """
    start = model is None
    model = feature_model(problem, **features) if model is None else model  # type: ignore[arg-type]
    residuals = Residuals(problem, model)
    if start:
        residuals.layout.set(torch.zeros(residuals.layout.count, dtype=torch.float64))
    if balance:
        residuals.balanced()
    trace = solve_last_layer(residuals, steps=steps, progress=progress)
    weighed = {term.name: b for term, b in zip(residuals.terms, residuals.balance, strict=True)}
    fresh = Residuals(problem.fresh(), model)
    fresh.unknowns = residuals.unknowns
    return Solution(problem, model, residuals.unknowns, trace, residuals.sizes(), fresh.sizes(), weighed)
