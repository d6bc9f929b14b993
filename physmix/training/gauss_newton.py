"""Gauss-Newton for the last mixing layer: frozen features, exact laws, and errors near round-off.

Solves min |J d + r|^2 + damping^2 |S d|^2 step by step in the free coordinates of the lawful weights,
where S holds the norms of the columns of J (Marquardt, J. SIAM 11, 1963). The rows of J are streamed
through an orthogonal factorisation: the normal equations would square a condition that is near the
reciprocal of round-off already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.mixing.derivatives import constraint_blocks
from physmix.optimization import Moments
from physmix.problems.residuals import Residuals

_LEAST, _MOST = 1e-16, 1.0  # damping, over the largest singular value of unit columns
_STALLED = 0.05  # a step that lowers the root of the loss by less is the last one


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    Attributes:
        loss: the sum of squares before it.
        gradient: norm of its gradient in coordinates of unit columns.
        step: norm of the step over that of the weights.
        damping: relative to the size of J.
        seconds: since the start, at its end.
    """

    loss: float
    gradient: float
    step: float
    damping: float
    seconds: float


@dataclass
class Trace:
    """What a solver did.

    Attributes:
        steps: in their order.
        reason: why it stopped.
    """

    steps: list[Step] = field(default_factory=list)
    reason: str = ""


def solve_last_layer(
    residuals: Residuals, *, steps: int = 20, progress: Callable[[Step], None] | None = None
) -> Trace:
    """Minimise |r|^2 over the mixing weights and the unknown numbers, from their present values.

    Args:
        residuals: of a problem on a model.
        steps: at most.
        progress: called after each step.

    Raises:
        SettingsError: if a residual is not finite at the start.
    """
    trace, begin = Trace(), time.perf_counter()
    weights = FreeWeights(residuals)
    loss, damping = residuals.loss(), _LEAST
    if not loss < float("inf"):
        raise SettingsError("the residuals", "a number is not finite at the start", "correct the data or the guess")
    for _ in range(steps):
        moments = Moments(weights.count, 1)
        for rows in residuals.rows():
            moments.add(rows.jacobian, -rows.residual[:, None])
        design, target = moments.design, moments.target
        norms = torch.linalg.vector_norm(design, dim=0)
        norms = torch.where(norms > 0, norms, torch.ones_like(norms))
        unit = design / norms
        size = float(torch.linalg.matrix_norm(unit))
        gradient = float(torch.linalg.vector_norm(unit.T @ target))
        start = weights.coordinates()
        while True:
            step = _damped(unit, target, damping * size) / norms
            weights.set(start + step)
            reached = residuals.loss()
            if reached < loss or damping >= _MOST:
                break
            damping = min(max(damping, 1e-9) * 30, _MOST)
        if not reached < loss:
            weights.set(start)
            trace.reason = "no step lowers the residuals: they are at round-off, or at a minimum"
            break
        share = float(torch.linalg.vector_norm(step)) / max(float(torch.linalg.vector_norm(start + step)), 1e-300)
        trace.steps.append(Step(loss, gradient, share, damping, time.perf_counter() - begin))
        if progress:
            progress(trace.steps[-1])
        stalled = reached > (1 - _STALLED) ** 2 * loss and damping <= _LEAST
        loss, damping = reached, max(damping / 100, _LEAST)
        if stalled:
            trace.reason = f"the last step lowered the residuals by less than {_STALLED:.0%}"
            break
    else:
        trace.reason = f"{steps} steps are done"
    return trace


def _damped(unit: Tensor, target: Tensor, damping: float) -> Tensor:
    """The d of least |unit d - target|^2 + damping^2 |d|^2."""
    columns = unit.shape[1]
    stacked = torch.cat(
        [
            torch.cat([unit, target], 1),
            torch.cat([damping * torch.eye(columns, dtype=unit.dtype), unit.new_zeros(columns, 1)], 1),
        ]
    )
    factor = torch.linalg.qr(stacked, mode="r").R
    return torch.linalg.solve_triangular(factor[:columns, :columns], factor[:columns, columns:], upper=True)[:, 0]


class FreeWeights:
    """The free coordinates of a model's mixing weight and bias, then the unknown numbers, as one vector."""

    def __init__(self, residuals: Residuals) -> None:
        self.residuals = residuals
        mixing = residuals.model.mixing
        self._weight, self._bias = mixing.weight, mixing.bias
        self._sets = constraint_blocks(residuals.model)
        self._bias_set = mixing.constraint.bias
        self._sizes = [count * one.nullity for one, count in self._sets]

    @property
    def count(self) -> int:
        """The length of the vector."""
        return sum(self._sizes) + self._bias_set.nullity + len(self.residuals.unknowns)

    @torch.no_grad()
    def coordinates(self) -> Tensor:
        """The present vector."""
        rows = self._weight.split([count for _, count in self._sets])
        parts = [one.coordinates(part).flatten() for (one, _), part in zip(self._sets, rows, strict=True)]
        numbers = self._weight.new_tensor(list(self.residuals.unknowns.values()))
        return torch.cat([*parts, self._bias_set.coordinates(self._bias), numbers])

    @torch.no_grad()
    def set(self, vector: Tensor) -> None:
        """Make the model and the unknown numbers those of a vector."""
        *parts, bias, numbers = vector.split(
            [*self._sizes, self._bias_set.nullity, len(self.residuals.unknowns)]
        )
        rows = [
            one.point(part.view(count, one.nullity))
            for (one, count), part in zip(self._sets, parts, strict=True)
        ]
        self._weight.copy_(torch.cat(rows))
        self._bias.copy_(self._bias_set.point(bias))
        self.residuals.unknowns = dict(zip(self.residuals.unknowns, numbers.tolist(), strict=True))

    def reset(self) -> None:
        """Start from the smallest lawful weights."""
        self.set(torch.cat([self.coordinates().new_zeros(self.count - len(self.residuals.unknowns)),
                            self._weight.new_tensor(list(self.residuals.unknowns.values()))]))
