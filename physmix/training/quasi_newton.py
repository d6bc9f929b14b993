"""L-BFGS in lawful free coordinates, which goes on until round-off is all that is left."""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.optimization import InverseHessian, strong_wolfe
from physmix.training.damping import finite_loss
from physmix.training.trace import Move
from physmix.training.weights import Weights

_END = "no step lowers the residuals: they are at a minimum, or at round-off"


class QuasiNewtonRun:
    """L-BFGS; when a line search fails it forgets its pairs, and ends when the gradient fails as well.

    Args:
        weights: what moves.
        memory: pairs that are kept.
    """

    def __init__(self, weights: Weights, memory: int) -> None:
        finite_loss(weights)
        self._weights, self._hessian, self.reason = weights, InverseHessian(memory), ""
        self._at = weights.vector()
        self._loss, self._gradient = weights.gradient()

    def advance(self, share: float) -> Move | None:
        """Take one step along the direction of L-BFGS."""
        del share
        length = float(self._gradient.norm())
        while length > 0:
            moved = self._searched()
            if moved is not None:
                step, loss, gradient = moved
                move = Move(self._loss, length, float(step.norm()) / max(float(self._at.norm()), 1e-300), 0.0)
                self._hessian.add(step, gradient - self._gradient)
                self._loss, self._gradient = loss, gradient
                return move
            if not self._hessian.steps:
                break
            self._hessian.clear()
        self._weights.set(self._at)
        self.reason = _END
        return None

    def _searched(self) -> tuple[Tensor, float, Tensor] | None:
        """A step, with the loss and the gradient after it."""
        direction = self._hessian.direction(self._gradient)
        slope = float(direction @ self._gradient)
        if not slope < 0:
            return None
        tried: dict[float, tuple[float, Tensor]] = {}

        def along(length: float) -> tuple[float, float]:
            self._weights.set(self._at + length * direction)
            tried[length] = self._weights.gradient()
            return tried[length][0], float(tried[length][1] @ direction)

        first = 1.0 if self._hessian.steps else min(1.0, 1 / float(self._gradient.norm()))
        length = strong_wolfe(along, self._loss, slope, first)
        if length is None:
            return None
        before, self._at = self._at, self._at + length * direction
        self._weights.set(self._at)
        return self._at - before, *tried[length]

    def state(self) -> dict[str, Tensor]:
        """The weights and the pairs."""
        empty = torch.zeros(0, len(self._at), dtype=torch.float64)
        pairs = self._hessian.steps, self._hessian.changes
        steps, changes = (torch.stack(one) if one else empty for one in pairs)
        return {"weights": self._at, "steps": steps, "changes": changes}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._at = state["weights"]
        self._weights.set(self._at)
        self._loss, self._gradient = self._weights.gradient()
        self._hessian.steps, self._hessian.changes = list(state["steps"]), list(state["changes"])
