"""Damped Gauss-Newton steps: as long as the linear model of the residuals is worth.

The damping falls when a step lowers the sum of squares by as much as the model foretold, and grows when
it does not (Nielsen, "Damping parameter in Marquardt's method", 1999).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.optimization import DampedLeastSquares, foretold
from physmix.training.trace import Move
from physmix.training.weights import Weights

_LEAST = 1e-16  # damping, over the root of the number of columns
_RAISED = 1e-9  # the least that a rejected step leaves
_SHARE = 0.01  # of one residual: unknowns are then a tenth of their deviation from the least sum
_STALLED = 0.05  # a step that promises to lower the root of the loss by less is the last one


@dataclass(frozen=True)
class Rule:
    """How damping changes.

    Attributes:
        start: at first, over the root of the number of columns.
        most: beyond which no step is tried, in the same unit.
        fall: the factor on its square after a step that was foretold well.
        growth: the factor on its square after a rejected step; it doubles with every one that follows.
        by_gain: whether a step that was foretold badly keeps the damping up.
    """

    start: float
    most: float
    fall: float
    growth: float
    by_gain: bool = True


class DampedRun:
    """Levenberg-Marquardt, whatever solves the linear model.

    Args:
        weights: what moves.
        system: makes the model at the present weights, for dampings from a given one up.
        rule: of the damping.
        least: a step that promises to lower the sum of squares by less is the last one; 5 % of the
            root where omitted.

    Raises:
        SettingsError: if a residual is not finite at the start.
    """

    def __init__(
        self,
        weights: Weights,
        system: Callable[[float], DampedLeastSquares],
        rule: Rule,
        *,
        least: float | None = None,
    ) -> None:
        self._weights, self._system, self._rule, self._least = weights, system, rule, least
        self._size, self._rows = math.sqrt(weights.count), weights.residuals.count
        # The vector is the truth: coordinates that are read from lawful weights differ in their last bit.
        self._at, self.reason = weights.vector(), ""
        self._damping, self._loss = rule.start, finite_loss(weights)

    def advance(self, share: float) -> Move | None:
        """Take the first step that lowers the sum of squares."""
        del share
        system, growth = self._system(self._damping * self._size), self._rule.growth
        start, loss = self._at, self._loss
        while True:
            damping = self._damping * self._size
            step = system.solve(damping)
            self._weights.set(start + step)
            reached = self._weights.loss()
            if reached < loss or self._damping >= self._rule.most:
                break
            self._weights.set(start)
            self._damping = min(max(self._damping * math.sqrt(growth), _RAISED), self._rule.most)
            growth *= 2
        if not reached < loss:
            self._weights.set(start)
            self.reason = "no step lowers the residuals: they are at a minimum, or at round-off"
            return None
        lowered = foretold(system, step, damping)
        share = float(step.norm()) / max(float((start + step).norm()), 1e-300)
        move = Move(loss, 2 * float(system.slope.norm()), share, self._damping)
        # A step may fall short of its promise far from the solution; that it promised nothing tells.
        most = (1 - (1 - _STALLED) ** 2) * loss if self._least is None else self._least
        if self._damping <= _LEAST and lowered < most:
            few = f"{_STALLED:.0%}" if self._least is None else f"{self._least:g} in the sum of squares"
            self.reason = f"no step lowers the residuals by more than {few}"
        elif self._damping <= _LEAST and reached - system.left <= _SHARE * system.left / self._rows:
            self.reason = "the last step reached the minimum of its linear model"
        gain = (loss - reached) / lowered if lowered > 0 else 0.0
        fall = min(max(self._rule.fall, 1 - (2 * gain - 1) ** 3), self._rule.growth)
        fall = fall if self._rule.by_gain else self._rule.fall
        self._damping = min(max(self._damping * math.sqrt(fall), _LEAST), self._rule.most)
        self._at, self._loss = start + step, reached
        return move

    def state(self) -> dict[str, Tensor]:
        """The weights and the damping."""
        numbers = torch.tensor([self._damping], dtype=torch.float64)
        return {"weights": self._at, "damping": numbers}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._at = state["weights"]
        self._weights.set(self._at)
        self._damping, self._loss = float(state["damping"]), self._weights.loss()


def finite_loss(weights: Weights) -> float:
    """The sum of squares at the start.

    Raises:
        SettingsError: if it is not finite.
    """
    loss = weights.loss()
    if not loss < math.inf:
        problem = "a number is not finite at the start"
        raise SettingsError(
            "the residuals", problem, "correct the data, or the first guess of the unknown numbers"
        )
    return loss
