"""Solvers side by side: one small network in equal time, and a convex case with one optimum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from physmix.benchmarks.known import field_errors
from physmix.benchmarks.pinn import kovasznay
from physmix.benchmarks.row import Case, Row, ours
from physmix.errors import MissingPackageError
from physmix.mixing import PotentialModel
from physmix.optimization import violations
from physmix.problems import Condition, Equations, Problem, Region, Residuals, feature_model, network_model
from physmix.training import LBFGS, SOAP, Adam, GaussNewton, LevenbergMarquardt, Solution, Solver, solve
from physmix.training.weights import Weights

SECONDS = 60.0
_LONG = 1_000_000  # steps: time ends a solve


def equal_time(seconds: float = SECONDS, hidden: Sequence[int] = (24, 24)) -> Case:
    """Kovasznay flow of Re 40 by each solver, all layers from the same weights, with the laws exact."""

    def run(case: str) -> list[Row]:
        asked = kovasznay()
        problem = replace(asked.problem, points=500, boundary_points=200)
        solvers: list[Solver] = [LevenbergMarquardt(), LBFGS(), SOAP(), Adam()]
        errors: dict[str, float] = {}
        rows = []
        for solver in solvers:
            model = network_model(problem, hidden, potentials=12)
            solution = _solved(problem, model, solver, steps=_LONG, seconds=seconds)
            found = field_errors(solution, asked.flow)
            errors[solver.name] = sum(found.values()) / len(found)
            rows += [
                ours(case, f"mean relative error, {solver.name}", errors[solver.name]),
                ours(case, f"steps, {solver.name}", len(solution.trace.steps)),
                ours(case, f"seconds, {solver.name}", solution.trace.seconds, "s"),
            ]
        best = errors.pop("levenberg-marquardt")
        return rows + [
            ours(case, f"error over that of levenberg-marquardt, {name}", error / best, target=">= 5")
            for name, error in errors.items()
        ]

    return run


def one_optimum(case: str) -> list[Row]:
    """Heat in a bar on four frozen features: least squares with constraints, whose optimum is known."""
    heat = Equations(
        "heat",
        coordinates=("t", "x"),
        fields=("T", "q"),
        laws={"energy": "dt(T) + dx(q) = 0"},
        residual=lambda y: {"Fourier": y["q"] + 0.1 * y.d("T", "x")},
    )
    bar = Region(t=(0.0, 1.0), x=(0.0, math.pi))
    start = Condition(bar.start, {"T": lambda points: torch.sin(points[:, 1])})
    ends = Condition(bar.boundary, {"T": 0.0})
    problem = Problem(bar, heat, [start, ends], points=60, boundary_points=40)
    solvers: dict[str, tuple[Solver, str]] = {
        "gauss-newton": (GaussNewton(), "<= 1e-9"),
        **{
            f"levenberg-marquardt, {space}": (LevenbergMarquardt(space), "<= 1e-9")
            for space in ("weights", "samples", "matrix-free")
        },
        "lbfgs": (LBFGS(steps=500), "<= 1e-9"),
        "soap": (SOAP(rate=0.3, steps=3000), "<= 1e-6"),
        "adam": (Adam(rate=0.3, steps=5000), "<= 1e-6"),
    }
    rows = []
    for name, (solver, target) in solvers.items():
        model = feature_model(problem, 4, slope=1.0)
        weights = _weights(problem, model)
        weights.set(torch.zeros(weights.count, dtype=torch.float64))
        best = _least(weights)
        _solved(problem, model, solver)
        excess, missed = weights.loss() / best - 1, max(violations(model).values())
        rows += [
            ours(case, f"excess over the least sum of squares, {name}", excess, target=target),
            ours(case, f"violation of the constraints, {name}", missed, target="<= 1e-13"),
        ]
    return rows


def _solved(problem: Problem, model: PotentialModel, solver: Solver, **limits: Any) -> Solution:
    try:
        return solve(problem, model, solver=solver, **limits)
    except MissingPackageError as error:  # as any peer that is not installed
        raise ImportError(str(error), name=error.package) from error


def _weights(problem: Problem, model: PotentialModel) -> Weights:
    residuals = Residuals(problem, model)
    residuals.balanced()
    return Weights(residuals)


def _least(weights: Weights) -> float:
    """The least sum of squares of a linear problem, by singular values."""
    pairs = list(weights.rows())
    residual, jacobian = torch.cat([r for r, _ in pairs]), torch.cat([j for _, j in pairs])
    step = torch.linalg.lstsq(jacobian, -residual[:, None], driver="gelsd").solution[:, 0]
    return float((residual + jacobian @ step).square().sum())


SOLVERS: dict[str, Case] = {
    "solvers, one network in equal time": equal_time(),
    "solvers, one constrained optimum": one_optimum,
}
