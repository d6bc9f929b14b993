"""Fields to start from: weights that bring a model as near to given functions as its laws allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from physmix.mixing import PotentialModel
from physmix.problems import Condition, Problem, Residuals
from physmix.problems.terms import Given
from physmix.training.gauss_newton import solve_last_layer

_ENOUGH = 100_000  # points


def fit_fields(problem: Problem, model: PotentialModel, fields: Mapping[str, Given]) -> None:
    """Set the mixing weights of a model by linear least squares at the points of a problem.

    Fields that are not named are what the laws make of the others, with small weights.

    Args:
        problem: its region and number of points.
        model: whose weights are set.
        fields: numbers or functions, by name.

    Raises:
        SettingsError, ShapeError: if a function does not give one finite number for each point.
    """
    count = problem.points if isinstance(problem.points, int) else len(problem.points)
    points = problem.region.sample(min(count, _ENOUGH), problem.seed).points
    plain = replace(problem.equations, residual=None, derived={})
    wanted = replace(problem, equations=plain, conditions=[Condition(points, fields)], unknowns={})
    residuals = Residuals(wanted, model)
    residuals.layout.set(torch.zeros(residuals.layout.count, dtype=torch.float64))
    solve_last_layer(residuals, steps=1)
