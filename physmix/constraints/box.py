"""Bounds on every number of a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.set import Constant, ConstraintSet, Kind, Polyhedral, check_real
from physmix.errors import ContradictionError, ShapeError


class Box(ConstraintSet):
    """lower <= w <= upper, number by number.

    Args:
        lower: one number, or a tensor over the trailing axes of the weight; -inf for none.
        upper: likewise; inf for none.

    Raises:
        ContradictionError: if a lower bound is above its upper bound, or one is not a number.
    """

    kind = Kind.CONVEX

    def __init__(self, lower: float | Tensor = -math.inf, upper: float | Tensor = math.inf) -> None:
        low, high = (torch.as_tensor(value, dtype=torch.float64).detach() for value in (lower, upper))
        low, high = torch.broadcast_tensors(low, high)
        if not bool((low <= high).all()):
            raise ContradictionError([f"lower bound {lower}", f"upper bound {upper}"])
        self.lower, self.upper, self.axes = low, high, low.ndim
        self._lower, self._upper = Constant(low), Constant(high)

    def project(self, weight: Tensor) -> Tensor:
        """Each number moved to the nearer bound."""
        self.check_shape(weight.shape)
        check_real(weight, self)
        return torch.clamp(weight, self._lower.like(weight), self._upper.like(weight))

    def residual(self, weight: Tensor) -> Tensor:
        """How far each number is out of its bounds."""
        return weight - self.project(weight)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the bounds fit the trailing axes."""
        try:
            fits = torch.broadcast_shapes(tuple(shape), self.lower.shape) == tuple(shape)
        except RuntimeError:
            fits = False
        if not fits:
            raise ShapeError("a constrained weight", shape, f"(..., {', '.join(map(str, self.lower.shape))})")

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral:
        """Bounds without equations."""
        self.check_shape(shape)
        low, high = (bound.expand(tuple(shape)).reshape(-1) for bound in (self.lower, self.upper))
        return Polyhedral(low.new_zeros(0, len(low)), low.new_zeros(0), low, high, ())

    def __repr__(self) -> str:
        if self.lower.ndim:
            return f"Box(over {tuple(self.lower.shape)})"
        return f"Box({float(self.lower)}, {float(self.upper)})"


class Nonnegative(Box):
    """w >= 0, number by number."""

    def __init__(self) -> None:
        super().__init__(lower=0.0)

    def __repr__(self) -> str:
        return "Nonnegative()"
