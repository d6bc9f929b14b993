"""How the time of a solve grows with the number of subdomains, at equal error."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physmix.benchmarks.apart import apart
from physmix.benchmarks.row import Case, Row, ours
from physmix.problems import AdvectionDiffusion, Condition, Problem, Region
from physmix.training import solve

METRIC = "times longer for four times the subdomains"
_DIFFUSIVITY, _NUMBER = 0.05, 2.0
_RATE = (1 - math.sqrt(1 + 4 * _DIFFUSIVITY**2 * _NUMBER**2)) / (2 * _DIFFUSIVITY)
_FEATURES, _POINTS, _EDGE = 40, 120, 20  # in each subdomain; along each of its sides on the boundary
WHY = {
    "chain": "1 expected: single subdomains part it",
    "plane": "3/2 expected: N^(1/2) subdomains part it, and cost their cube",
}


def growth_case(kind: str, shapes: Sequence[tuple[int, int]]) -> Case:
    """The same flow in a domain four times as large with four times the subdomains, so at equal error."""

    def run(case: str) -> list[Row]:
        found = [(math.prod(shape), *apart(measure, list(shape), threads=1)) for shape in shapes]
        rows = [
            row
            for count, seconds, error in found
            for row in (
                ours(case, f"seconds of {count} subdomains", seconds, "s"),
                ours(case, f"relative error with {count}", error),
            )
        ]
        times = [after[1] / before[1] for before, after in itertools.pairwise(found)]
        rows += [
            ours(case, f"{METRIC} than {count}", ratio, target="<= 8")
            for (count, *_), ratio in zip(found, times, strict=False)
        ]
        errors = [error for _, _, error in found]
        rows += [
            ours(case, "largest over smallest error", max(errors) / min(errors), target="<= 2"),
            ours(case, f"power of N, {WHY[kind]}", math.log(times[-1], 4)),
        ]
        return rows

    return run


def decaying(points: Tensor) -> Tensor:
    """c of c_x = kappa (c_xx + c_yy), alike everywhere along y, and slowly decaying along x."""
    return torch.exp(_RATE * points[:, 0]) * torch.sin(_NUMBER * points[:, 1])


def measure(shape: Sequence[int]) -> tuple[float, float]:
    """Seconds of the processor, and relative L2 error, on a rectangle of these unit subdomains."""
    across, along = shape
    region = Region(x=(0.0, float(across)), y=(0.0, float(along)))
    given: dict[str, Callable[[Tensor], Tensor]] = {"c": decaying}
    conditions = [
        Condition(part, given, points=_EDGE * (along if part.name.startswith("x") else across))
        for part in region.boundary
    ]
    equations = AdvectionDiffusion("xy", _DIFFUSIVITY, lambda _: (1.0, 0.0))
    problem = Problem(region, equations, conditions, points=_POINTS * across * along)
    began = time.process_time()
    solution = solve(problem, features=_FEATURES, slope=2.0, subdomains=tuple(shape), steps=1)
    seconds = time.process_time() - began
    at = region.sample(2000, seed=12345).points
    true = decaying(at)
    return seconds, float((solution.at(at)["c"] - true).norm() / true.norm())


GROWTH: dict[str, Case] = {
    "growth, a chain of subdomains": growth_case("chain", ((1, 16), (1, 64), (1, 256))),
    "growth, a plane of subdomains": growth_case("plane", ((4, 4), (8, 8), (16, 16))),
}
