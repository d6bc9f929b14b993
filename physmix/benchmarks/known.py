"""Solving flows that are known: errors, seconds and violations, with rivals beside us at equal time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from physmix.benchmarks.compressible import EXACT
from physmix.benchmarks.rivals import RIVALS, rival
from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows.known import KnownFlow
from physmix.problems import Problem
from physmix.training import Solution, Solved, march, solve

POINTS = 4000  # at which errors are measured
_NAMES = {"rho": "density", "ux": "velocity_x", "uy": "velocity_y", "uz": "velocity_z", "p": "pressure"}
NETWORKS = ("DeepXDE", "PINA")
_GAUGE = 8  # powers of time that a pressure may be off by


@dataclass(frozen=True)
class Solve:
    """A problem with a known solution, and what is asked of us.

    Attributes:
        flow: the solution.
        problem: with its values on the boundary and at the start.
        settings: of `solve`, or of `march`.
        first: settings of a solve with fewer features, and fewer points in proportion, from whose fields this
            one starts; none if omitted. Steps from afar, which are not small, are then not those of many
            features, whose weights they would leave large and rounded.
        windows: of time, to march through; 0 solves all at once.
        rivals: the case that rivals solve in the time that we took; none if empty.
        error: target of the mean of the fields' relative L2 errors.
        seconds: target of the time, all included but imports.
    """

    flow: KnownFlow
    problem: Problem
    settings: Mapping[str, Any] = field(default_factory=dict)
    first: Mapping[str, Any] | None = None
    windows: int = 0
    rivals: str = ""
    error: str = "<= 1e-6"
    seconds: str = "<= 60"


def solve_case(make: Callable[[], Solve]) -> Case:
    """Errors by field, their mean, seconds, each law's violation over its bound, and totals of a march.

    The velocity that features are carried with is told as well: it is known of the flow beforehand.
    """

    def run(case: str) -> list[Row]:
        asked = make()
        began = time.perf_counter()
        before, solution = solved(asked)
        seconds = time.perf_counter() - began
        errors = field_errors(solution, asked.flow)
        findings = solution.judge(points=64, boxes=2)
        mean = sum(errors.values()) / len(errors)
        return [
            ours(case, "mean relative error", mean, target=asked.error),
            *(ours(case, f"relative error of {name}", error) for name, error in errors.items()),
            ours(case, "seconds", seconds, "s", target=asked.seconds),
            ours(case, "steps", sum(len(part.trace.steps) for part in (*before, *solution.windows))),
            *(
                ours(case, f"features carried along {name}", speed)
                for name, speed in asked.settings.get("carried", {}).items()
            ),
            # Fluxes through boxes are exact up to quadrature, which windows as narrow as a shock defeat.
            ours(case, OVER, max(over_bound(one) for one in findings if one.method == "nested autograd")),
            ours(case, "relative violation through boxes", max(one.violation for one in findings)),
            *(
                ours(case, f"total of {law} off its balance with fluxes", off, target=EXACT)
                for law, off in (solution.imbalances() if asked.windows else {}).items()
            ),
            *(_rivals(case, asked.rivals, seconds, mean) if asked.rivals else []),
        ]

    return run


def solved(asked: Solve) -> tuple[list[Solution], Solved]:
    """What was solved first, if anything, and the solution."""
    before, settings = list[Solution](), asked.settings
    if asked.first is not None:
        share = asked.first["features"] / settings["features"]
        before = [solve(fewer(asked.problem, share), **asked.first)]
        settings = {**settings, "guess": before[0].fields}
    if asked.windows:
        return before, march(asked.problem, asked.windows, **settings)
    return before, solve(asked.problem, **settings)


def _rivals(case: str, name: str, seconds: float, mean: float) -> list[Row]:
    """What others reach in the same time; networks stand at least a thousand times higher."""
    rows = []
    for system in RIVALS:
        found = rival(system, name, seconds)
        used = found.pop("seconds")
        error = sum(found.values()) / len(found)
        rows += [peer(case, system, "mean relative error", error)]
        rows += [peer(case, system, f"relative error of {field}", value) for field, value in found.items()]
        rows += [peer(case, system, "seconds", used, "s")]
        bound = {"target": ">= 1000"} if system in NETWORKS else {}
        rows += [ours(case, f"times less error than {system}", error / mean, **bound)]
    return rows


def field_errors(solution: Solved, flow: KnownFlow) -> dict[str, float]:
    """Relative L2 errors at fresh points; of a pressure without a density up to a constant at each time."""
    points = solution.problem.region.even().sample(POINTS, seed=12345).points
    state, true = solution.at(points), flow.fields(points)
    found = {}
    for name in (*solution.problem.equations.fields, *solution.problem.equations.derived):
        known = _NAMES.get(name, name)
        if known in true:
            missed = state[name] - true[known]
            if name == "p" and "rho" not in solution.problem.equations.fields:
                missed = missed - _gauge(missed, points, solution.problem.coordinates)
            found[name] = float(missed.norm() / true[known].norm())
    return found


def _gauge(missed: Tensor, points: Tensor, coordinates: Sequence[str]) -> Tensor:
    """The part of a difference of pressures that depends on time alone."""
    if "t" not in coordinates:
        return missed.mean()
    when = points[:, list(coordinates).index("t")]
    when = 2 * (when - when.min()) / (when.max() - when.min()) - 1
    powers = torch.stack([when**k for k in range(_GAUGE)], 1)
    return powers @ torch.linalg.lstsq(powers, missed[:, None]).solution[:, 0]


def fewer(problem: Problem, share: float) -> Problem:
    """The same problem with a share of its points, inside and on the boundary."""
    return replace(
        problem,
        points=round(share * problem.point_count),
        boundary_points=round(share * problem.boundary_points),
    )


def velocities(flow: KnownFlow) -> dict[str, Callable[[Tensor], Tensor]]:
    """The given velocities of a condition."""

    def of(known: str) -> Callable[[Tensor], Tensor]:
        return lambda points: flow.fields(points)[known]

    return {name: of(known) for name, known in _NAMES.items() if known in flow.names and name[0] == "u"}
