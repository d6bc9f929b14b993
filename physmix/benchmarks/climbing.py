"""The lid-driven cavity at a high Reynolds number: from lower ones, with residuals that are evened out.

Seen at Re 3200, the largest error of the extrema against finite elements: 9 % with 80 features a subdomain
where residuals count as they are and 7 % where they are evened out; with 110, evened out once, twice and
three times, 1.3 %, 0.3 % and 0.07 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from physmix.benchmarks.cavity import ALONG, UP, Cavity, Factor, scraped, tamed
from physmix.benchmarks.evened import evened
from physmix.training import Solution, solve


@dataclass(frozen=True)
class Stage:
    """On the way to a high Reynolds number.

    Attributes:
        cavity: how it is solved.
        reynolds: the number.
        steps: at most.
        even: whether residuals are `evened` by the solution before; not where it is only a start.
    """

    cavity: Cavity
    reynolds: float
    steps: int
    even: bool = True


def climb(stages: Sequence[Stage]) -> Solution:
    """Under a lid of speed 1, each stage from the fields of the one before."""
    found: Solution | None = None
    for before, stage in zip([None, *stages], stages, strict=False):
        factor: Factor | None = None
        if found is not None and before is not None and stage.even:
            factor = evened(found, tamed(1 / before.reynolds), stage.cavity.cuts)
        problem = stage.cavity.problem(1 / stage.reynolds, 1.0, factor)
        if found is not None and before is not None and before.cavity == stage.cavity:
            found = solve(problem, found.model, steps=stage.steps, balance=False)
        else:
            guess = found.fields if found is not None else None
            settings = stage.cavity.settings([scraped()])
            found = solve(problem, steps=stage.steps, balance=False, guess=guess, **settings)
    assert found is not None
    return found


COARSE = Cavity((ALONG, UP), features=60, points=13000, boundary_points=200)
_UP = (0.06, 0.15, 0.28, 0.43, 0.58, 0.72, 0.83, 0.9, 0.95, 0.975, 0.99)
FINE = Cavity(
    ((0.01, 0.03, 0.08, 0.17, 0.3, 0.45, 0.6, 0.74, 0.85, 0.92, 0.97, 0.99), _UP),
    features=80,
    points=28000,
    boundary_points=400,
)
FINEST = Cavity(
    ((0.015, 0.05, 0.14, 0.32, 0.52, 0.68, 0.79, 0.86, 0.91, 0.945, 0.97, 0.99), _UP),
    features=110,
    points=30000,
    boundary_points=400,
)
"""Finer where a map of the residuals that `FINE` left was largest: where the flow turns down at the right."""
CLIMB = (
    Stage(COARSE, 100.0, 2, even=False),
    Stage(COARSE, 400.0, 2, even=False),
    Stage(COARSE, 1000.0, 3, even=False),
    Stage(FINE, 1800.0, 2),
    Stage(FINE, 3200.0, 4),
    Stage(FINEST, 3200.0, 2),
    Stage(FINEST, 3200.0, 2),
    Stage(FINEST, 3200.0, 2),
)
