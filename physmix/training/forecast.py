"""What a solve will cost, and how well its linear model is conditioned, before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from physmix.problems import Residuals
from physmix.training.solvers import GaussNewton, Solver
from physmix.training.weights import Weights

_SAMPLED = 200  # columns whose condition is measured


@dataclass(frozen=True)
class Forecast:
    """What a solve will cost, before it starts.

    Attributes:
        columns: what moves: weights and unknown numbers.
        rows: residuals.
        gigaflops: of linear algebra in one step.
        seconds: of one step, by the time of a gradient and of a small factorisation on this machine.
        gigabytes: held at once.
        condition: of the Jacobian with columns of unit norm, at the start: at least this, by a part of them.
    """

    columns: int
    rows: int
    gigaflops: float
    seconds: float
    gigabytes: float
    condition: float

    def __str__(self) -> str:
        return (
            f"{self.rows} residuals, {self.columns} unknowns: about {self.seconds:.2g} s a step "
            f"({self.gigaflops:.2g} GFLOP), {self.gigabytes:.1f} GB, a condition of at least "
            f"{self.condition:.0e}"
        )


def forecast(residuals: Residuals, solver: Solver | None = None) -> Forecast:
    """The cost of one step of a solver, Gauss-Newton if omitted."""
    solver = solver or GaussNewton()
    weights = solver.weights(residuals)
    cost, condition = solver.cost(weights), _condition(weights)
    begin = time.perf_counter()
    weights.gradient()
    gradient = time.perf_counter() - begin
    return Forecast(
        weights.count,
        residuals.count,
        cost.operations / 1e9,
        cost.gradients * gradient + cost.operations / _speed(),
        8.0 * cost.held / 1e9,
        condition,
    )


def _speed() -> float:
    """Operations a second of an orthogonal factorisation."""
    sample = torch.randn(600, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    begin = time.perf_counter()
    torch.linalg.qr(sample, mode="r")
    return 2.0 * 600 * 200**2 / (time.perf_counter() - begin)


@torch.no_grad()
def _condition(weights: Weights) -> float:
    """Of some columns of the Jacobian, which is at most that of all."""
    places = torch.linspace(0, weights.count - 1, min(_SAMPLED, weights.count)).round().long().unique()
    triangle = torch.zeros(0, len(places), dtype=torch.float64)
    for _, jacobian in weights.rows():
        triangle = torch.linalg.qr(torch.cat([triangle, jacobian[:, places]]), mode="r").R
    norms = torch.linalg.vector_norm(triangle, dim=0)
    seen = norms > 0  # what no residual sees, such as the constant of a potential, stays as it is
    values = torch.linalg.svdvals(triangle[:, seen] / norms[seen])
    least = torch.finfo(torch.float64).eps * float(values[0])
    return float(values[0]) / max(float(values[-1]), least)
