"""L-BFGS as two parts: the direction, and a line search to the strong Wolfe conditions.

torch.optim.LBFGS drops pairs whose curvature is below 1e-10, whatever the size of the loss, and ends its line
search at a bracket of 1e-9; so it stops early where losses are small. Here nothing has a size of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

_EPS = torch.finfo(torch.float64).eps
_DECREASE, _CURVATURE = 1e-4, 0.9


class InverseHessian:
    """Liu and Nocedal, "On the limited memory BFGS method", 1989: the last pairs of steps and changes.

    Args:
        memory: how many pairs.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.steps: list[Tensor] = []
        self.changes: list[Tensor] = []

    def add(self, step: Tensor, change: Tensor) -> bool:
        """Take a pair in, if its curvature is positive beyond round-off; whether it is."""
        if not float(step @ change) > _EPS * float(step.norm() * change.norm()):
            return False
        self.steps = [*self.steps, step][-self.memory :]
        self.changes = [*self.changes, change][-self.memory :]
        return True

    def clear(self) -> None:
        """Forget all pairs."""
        self.steps, self.changes = [], []

    def direction(self, gradient: Float[Tensor, " weight"]) -> Float[Tensor, " weight"]:
        """-H g."""
        found, shares = -gradient, []
        for s, y in zip(reversed(self.steps), reversed(self.changes), strict=True):
            share = (s @ found) / (s @ y)
            found = found - share * y
            shares.append(share)
        if self.steps:
            s, y = self.steps[-1], self.changes[-1]
            found = found * ((s @ y) / (y @ y))
        for s, y, share in zip(self.steps, self.changes, reversed(shares), strict=True):
            found = found + (share - (y @ found) / (s @ y)) * s
        return found


def strong_wolfe(
    along: Callable[[float], tuple[float, float]],
    value: float,
    slope: float,
    first: float = 1.0,
    *,
    evaluations: int = 30,
) -> float | None:
    """A length at which a function has fallen and is flat enough; None if there is none.

    Where values differ by round-off only, a fall of the slope stands for that of the value (Hager and Zhang,
    "A new conjugate gradient method with guaranteed descent and an efficient line search", 2005).

    Args:
        along: length -> value and slope.
        value: at 0.
        slope: at 0, negative.
        first: the length that is tried first.
        evaluations: at most.
    """
    noise, best = 4 * _EPS * abs(value), None
    low, high, length = (0.0, value, slope), None, first
    for _ in range(evaluations):
        reached, steep = along(length)
        finite = math.isfinite(reached) and math.isfinite(steep)
        fallen = finite and (
            reached <= value + _DECREASE * length * slope
            or (reached <= value + noise and steep <= (2 * _DECREASE - 1) * slope)
        )
        if fallen and abs(steep) <= -_CURVATURE * slope:
            return length
        if fallen and reached < value:
            best = length
        if not fallen or reached > low[1] + noise or steep >= 0:
            high = (length, reached, steep)
        else:
            low = (length, reached, steep)
        length = _next(low, high, finite=finite)
        if high is not None and not low[0] < length < high[0]:  # the bracket is as narrow as numbers are
            break
    return best


def _next(low: tuple[float, float, float], high: tuple[float, float, float] | None, *, finite: bool) -> float:
    """The next length to try: where a cubic has its minimum, kept off the ends."""
    a, at_a, slope_a = low
    if high is None:
        return max(4 * a, 1e-300)
    b, at_b, slope_b = high
    width = b - a
    if not finite:
        return a + 0.1 * width
    d = slope_a + slope_b - 3 * (at_a - at_b) / (a - b)
    square = d * d - slope_a * slope_b
    middle = a + width / 2
    if square >= 0 and slope_b - slope_a + 2 * math.sqrt(square) != 0:
        middle = b - width * (slope_b + math.sqrt(square) - d) / (slope_b - slope_a + 2 * math.sqrt(square))
    if not math.isfinite(middle):
        middle = a + width / 2
    return min(max(middle, a + 0.1 * width), b - 0.1 * width)
