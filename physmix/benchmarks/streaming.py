"""Very many collocation points: their rows are folded into a triangle, so that memory does not grow."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from physmix.benchmarks.apart import apart, peak
from physmix.benchmarks.row import Row, ours
from physmix.problems import AdvectionDiffusion, Condition, Problem, Region
from physmix.training import solve

POINTS, FEATURES = 10_000_000, 100
_SPEED, _DIFFUSIVITY, _NUMBER = 1.0, 0.1, 3.0


def streaming_case(case: str) -> list[Row]:
    """A wave that travels and decays, in one Gauss-Newton step, from these points and from a tenth."""
    whole, tenth = (apart(measure, count, FEATURES) for count in (POINTS, POINTS // 10))
    few = f" of {POINTS // 10:,} points"
    return [
        ours(case, "points", POINTS),
        ours(case, "features", FEATURES),
        ours(case, "peak resident memory", whole["peak"], "GB"),
        ours(case, f"peak resident memory{few}", tenth["peak"], "GB"),
        ours(case, "memory over that of a tenth of the points", whole["peak"] / tenth["peak"]),
        ours(case, "relative error", whole["error"]),
        ours(case, f"relative error{few}", tenth["error"]),
        ours(case, "seconds", whole["seconds"], "s", target="<= 600"),
        ours(case, f"seconds{few}", tenth["seconds"], "s"),
    ]


def wave(points: Tensor) -> Tensor:
    """c of c_t + a c_x = kappa c_xx."""
    t, x = points.unbind(1)
    return torch.exp(-_DIFFUSIVITY * _NUMBER**2 * t) * torch.sin(_NUMBER * (x - _SPEED * t))


def measure(points: int, features: int) -> dict[str, float]:
    """Seconds, peak resident memory in GB, and relative L2 error."""
    region = Region(t=(0.0, 1.0), x=(0.0, math.pi))
    equations = AdvectionDiffusion("tx", _DIFFUSIVITY, lambda _: (_SPEED,))
    conditions = [Condition(region.start, {"c": wave}), Condition(region.boundary, {"c": wave})]
    problem = Problem(region, equations, conditions, points=points)
    began = time.perf_counter()
    solution = solve(problem, features=features, slope=1.0, steps=1)
    seconds = time.perf_counter() - began
    at = region.sample(4000, seed=12345).points
    true = wave(at)
    error = float((solution.at(at)["c"] - true).norm() / true.norm())
    return {"seconds": seconds, "peak": peak(), "error": error}
