"""Levenberg-Marquardt over all layers: in the space of weights, of samples, or matrix-free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from physmix.optimization import (
    SQUARED,
    BlockLeastSquares,
    DampedLeastSquares,
    MatrixFree,
    NormalEquations,
    SampleSpace,
    unseen,
)
from physmix.training.damping import DampedRun, Rule
from physmix.training.weights import Weights

Space = Literal["weights", "samples", "matrix-free"]
RULE = Rule(start=1e-2, most=1e6, fall=1 / 9, growth=4.0)
SKETCH, ITERATIONS = 200, 200  # of a matrix-free solve
DENSE = 4000  # weights or samples, whichever are fewer, beyond which no matrix is factorised


def space_of(weights: Weights) -> tuple[Space, str]:
    """Where the linear model is solved at the least cost, and why."""
    columns, rows = weights.count, weights.residuals.count
    told = f"{columns} weights, {rows} residuals"
    if min(columns, rows) > DENSE:
        return "matrix-free", f"{told}: both are more than {DENSE}"
    if rows < columns:
        return "samples", f"{told}: fewer residuals than weights"
    return "weights", f"{told}: at most {DENSE} weights"


def all_layers(weights: Weights, space: Space) -> DampedRun:
    """Levenberg-Marquardt on all that moves."""

    def system(damping: float) -> DampedLeastSquares:
        if space == "matrix-free":
            return MatrixFree(
                lambda: _model(weights),
                lambda: weights.linearised()[1:],
                weights.count,
                rank=SKETCH,
                iterations=ITERATIONS,
            )
        if space == "samples":
            rows = list(_model(weights))
            return SampleSpace(torch.cat([some for some, _ in rows]), torch.cat([right for _, right in rows]))
        if damping >= SQUARED:
            return NormalEquations(_model(weights), weights.count)
        return _Orthogonal(weights)

    return DampedRun(weights, system, RULE)


def _model(weights: Weights) -> Iterator[tuple[Tensor, Tensor]]:
    """J and b = -r."""
    for residual, jacobian in weights.rows():
        yield jacobian, -residual


class _Orthogonal:
    """By orthogonal factorisation of J, row by row."""

    def __init__(self, weights: Weights) -> None:
        self._system = BlockLeastSquares([weights.count])
        for rows, right in _model(weights):
            self._system.add(rows, right, [0])
        (self.slope,), (squares,) = self._system.gradient, self._system.squares
        self.sizes = squares.sqrt()

    @property
    def left(self) -> float:
        """The least sum of the last solve."""
        return self._system.left

    def solve(self, damping: float) -> Tensor:
        """d."""
        return torch.where(unseen(self.sizes), 0.0, self._system.solve(damping))
