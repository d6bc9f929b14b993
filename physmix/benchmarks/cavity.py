"""The lid-driven cavity: under a lid that rests at its ends, and under one whose speed jumps there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows import solve_cavity
from physmix.flows.known import KnownFlow
from physmix.jets import coordinates
from physmix.mixing import Enrichment, Lifting, corner, eddy_powers, scraper, stream
from physmix.problems import Condition, Equations, Given, Problem, Region, State, VorticityTransport
from physmix.training import Solution, solve

Factor = Callable[[State], Tensor]
POINTS = 4000  # at which errors are measured
SPECTRAL: Mapping[float, tuple[float, float, float]] = {
    100.0: (-0.2140424, 0.1795728, -0.2538030),
    1000.0: (-0.3885698, 0.3769447, -0.5270771),
}
"""u_min on the vertical centre line, v_max and v_min on the horizontal one, under a lid of speed 1 (Botella
and Peyret, "Benchmark spectral results on the lid-driven cavity flow", Computers and Fluids 27, 1998)."""
EXTREMA = ("u_min", "v_max", "v_min")
TOP = {"left": ({"x": 0.0, "y": 1.0}, -math.pi / 2), "right": ({"x": 1.0, "y": 1.0}, math.pi)}
BOTTOM = {"left": ({"x": 0.0, "y": 0.0}, 0.0), "right": ({"x": 1.0, "y": 0.0}, math.pi / 2)}
_RIGHT_ANGLE = math.pi / 2
_TAMED = 0.1  # distance from a corner of the lid below which residuals count less: they grow as r^-2
_BOUNDARY = 1e6  # weight of velocities on the boundary, which are wanted to 1e-3 of the residuals


@dataclass(frozen=True)
class Cavity:
    """How a cavity is solved.

    Attributes:
        cuts: along x, and along y, where subdomains meet; each has equally many points and features.
        features: of each subdomain.
        points: of the square.
        slope: of the features.
        boundary_points: of each side.
    """

    cuts: tuple[Sequence[float], Sequence[float]]
    features: int = 80
    points: int = 20000
    slope: float = 1.5
    boundary_points: int = 300

    def problem(self, viscosity: float, lid: Given, factor: Factor | None = None) -> Problem:
        """The flow without its pressure, weighed near the corners of the lid, and by a factor."""
        along, up = self.cuts
        equations = tamed(viscosity)
        region = Region(x=(0.0, 1.0), y=(0.0, 1.0)).graded(x=along, y=up)
        sides = [region.part(name) for name in ("x=low", "x=high", "y=low")]
        return Problem(
            region,
            equations if factor is None else equations.weighed(factor),
            [
                Condition(region.part("y=high"), {"ux": lid, "uy": 0.0}, weight=_BOUNDARY),
                *(Condition(side, {"ux": 0.0, "uy": 0.0}, weight=_BOUNDARY) for side in sides),
            ],
            points=self.points,
            boundary_points=self.boundary_points,
        )

    def enrichments(self) -> list[Enrichment]:
        """Powers from 2 under the lid, and eddies at the bottom."""
        along, up = self.cuts
        powers, radius = eddy_powers(_RIGHT_ANGLE), min(along[0], 1 - up[-1])
        return [
            corner("xy", place, start, _RIGHT_ANGLE, powers=those, radius=radius)
            for corners, those in ((TOP, [2.0, 3.0, 4.0, 5.0]), (BOTTOM, powers))
            for place, start in corners.values()
        ]

    def settings(self, liftings: Sequence[Lifting]) -> dict[str, Any]:
        """Those of `feature_model`."""
        return {
            "features": self.features,
            "slope": self.slope,
            "subdomains": self.cuts,
            "enrichments": self.enrichments(),
            "liftings": liftings,
        }

    def solve(self, reynolds: Sequence[float], lid: Given, liftings: Sequence[Lifting] = ()) -> Solution:
        """The flow at the last Reynolds number, from those before, which take a few steps each."""
        features, found = self.settings(liftings), None
        for number in reynolds:
            problem = self.problem(1 / number, lid)
            steps = 12 if number == reynolds[-1] else 3
            if found is None:
                found = solve(problem, steps=steps, balance=False, **features)
            else:
                found = solve(problem, found.model, steps=steps, balance=False)
        assert found is not None
        return found


def tamed(viscosity: float) -> Equations:
    """Those of the flow without its pressure, weighed near the corners of the lid."""
    return VorticityTransport("xy", viscosity).weighed(_tamed)


def _tamed(y: State) -> Tensor:
    """About (r / 0.1)^2 near both corners of the lid, and one elsewhere."""
    factor = torch.ones_like(y["x"])
    for place, _ in TOP.values():
        square = (y["x"] - place["x"]) ** 2 + (y["y"] - place["y"]) ** 2
        factor = factor * square / (square + _TAMED**2)
    return factor


def scraped() -> Lifting:
    """What the jump of the lid's speed does in both corners (Taylor 1962)."""
    (left, first), (right, second) = TOP.values()
    psi = scraper("xy", left, first, _RIGHT_ANGLE, speeds=(0.0, 1.0))
    return stream(psi + scraper("xy", right, second, _RIGHT_ANGLE, speeds=(-1.0, 0.0)), ("ux", "uy"))


def _judged(case: str, solution: Solution, seconds: float, most: float) -> list[Row]:
    findings = solution.judge(points=64, boxes=2)
    pointwise = [over_bound(one) for one in findings if one.method == "nested autograd"]
    return [
        ours(case, "seconds", seconds, "s", target=f"<= {most:g}"),
        ours(case, "steps", len(solution.trace.steps)),
        ours(case, OVER, max(pointwise)),
        ours(case, "relative violation through boxes", max(one.violation for one in findings)),
    ]


EVEN = tuple(i / 6 for i in range(1, 6))
SMOOTH = Cavity((EVEN, EVEN), features=90, points=10000)


def parabolic_case(case: str) -> list[Row]:
    """The lid 4 x (1 - x) at Re 100: errors of the velocity beside finite elements, which have their own."""
    x, _ = coordinates("xy")
    began = time.perf_counter()
    solution = SMOOTH.solve([100.0], 4 * x * (1 - x))
    seconds = time.perf_counter() - began
    points = solution.problem.region.even().sample(POINTS, seed=12345).points
    coarse, true = (
        solve_cavity(reynolds=100.0, lid="parabolic", cells=cells).fields(points) for cells in (12, 18)
    )
    state, names = solution.at(points), {"ux": "velocity_x", "uy": "velocity_y"}

    def relative(missed: Tensor, known: Tensor) -> float:
        return float(missed.norm() / known.norm())

    errors = {name: relative(state[name] - true[known], true[known]) for name, known in names.items()}
    own = [relative(coarse[known] - true[known], true[known]) for known in names.values()]
    return [
        ours(case, "mean relative error", sum(errors.values()) / len(errors), target="<= 1e-4"),
        *(ours(case, f"relative error of {name}", error) for name, error in errors.items()),
        peer(case, "scikit-fem", "mean relative difference from fewer cells", sum(own) / len(own)),
        *_judged(case, solution, seconds, 900),
    ]


ALONG = (0.03, 0.1, 0.22, 0.4, 0.6, 0.78, 0.9, 0.97)
UP = (0.1, 0.25, 0.45, 0.65, 0.82, 0.92, 0.97)
LAYERED = Cavity((ALONG, UP))


def uniform_case(reynolds: float, most: str, way: Callable[[], Solution]) -> Case:
    """A lid of speed 1 at a Reynolds number: extrema beside known ones."""

    def run(case: str) -> list[Row]:
        began = time.perf_counter()
        solution = way()
        seconds = time.perf_counter() - began

        def velocity(points: Tensor) -> tuple[Tensor, Tensor]:
            state = solution.at(points)
            return state["ux"], state["uy"]

        known = SPECTRAL.get(reynolds) or _by_finite_elements(reynolds)
        pairs = list(zip(EXTREMA, extrema(velocity), known, strict=True))
        worst = max(abs(found / true - 1) for _, found, true in pairs)
        return [
            ours(case, "largest relative error of extrema", worst, target=most),
            *(ours(case, name, found) for name, found, _ in pairs),
            *(peer(case, "reference", name, true) for name, _, true in pairs),
            *_judged(case, solution, seconds, 900),
        ]

    return run


def from_below(reynolds: Sequence[float], most: str, cavity: Cavity = LAYERED) -> Case:
    """The case of the last Reynolds number, from those before on the same features."""
    return uniform_case(reynolds[-1], most, lambda: cavity.solve(reynolds, 1.0, [scraped()]))


def extrema(velocity: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[float, float, float]:
    """u_min on the vertical centre line, and v_max and v_min on the horizontal one."""
    along = torch.linspace(0, 1, 2001, dtype=torch.float64)[1:-1]
    half = torch.full_like(along, 0.5)
    across, _ = velocity(torch.stack([half, along], 1))
    _, up = velocity(torch.stack([along, half], 1))
    return float(across.min()), float(up.max()), float(up.min())


def _by_finite_elements(reynolds: float) -> tuple[float, float, float]:
    flow: KnownFlow = solve_cavity(reynolds=reynolds, cells=18)

    def velocity(points: Tensor) -> tuple[Tensor, Tensor]:
        found = flow.fields(points)
        return found["velocity_x"], found["velocity_y"]

    return extrema(velocity)


CAVITY: dict[str, Case] = {
    "cavity under a parabolic lid, Re 100": parabolic_case,
    "cavity, Re 100": from_below([100.0], "<= 0.01"),
    "cavity, Re 400": from_below([100.0, 400.0], "<= 0.01"),
    "cavity, Re 1000": from_below([100.0, 400.0, 1000.0], "<= 0.002"),
}
