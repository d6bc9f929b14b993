"""Spectral projected gradient: second-order speed from first-order steps, on every set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from physmix.constraints import ConstraintSet, Kind
from physmix.optimization.composition import watch_composition
from physmix.optimization.constrained import constrained_parameters

_SHORTEST, _LONGEST = 1e-12, 1e12


class SpectralProjectedGradient(torch.optim.Optimizer):
    """Descent along projected arcs W(a) = P(W - a g), with the step a from the last change of gradient.

    Birgin, Martinez and Raydan, "Nonmonotone spectral projected gradient methods on convex sets",
    2000 (SPG1), with the step of Barzilai and Borwein; on orthonormal matrices Wen and Yin, "A
    feasible method for optimization with orthogonality constraints", 2013. It takes the place of
    quasi-Newton methods where a set has inequalities or curvature, and uses `project` alone. Meant for
    losses without noise: the closure is called several times a step.

    Args:
        module: all its parameters are trained, the constrained ones on their sets.
        max_iter: accepted points in each call of `step`.
        memory: the loss must fall below the largest of so many last ones.
        tolerance: a step ends early when the gradient mapping is this small at every parameter.
    """

    def __init__(
        self, module: nn.Module, *, max_iter: int = 20, memory: int = 10, tolerance: float = 0.0
    ) -> None:
        parameters = [p for p in module.parameters() if p.requires_grad]
        super().__init__(parameters, {"max_iter": max_iter, "memory": memory, "tolerance": tolerance})
        self._sets: dict[int, ConstraintSet] = {id(p): s for p, s in constrained_parameters(module)}
        watch_composition(module)

    @property
    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _projected(self, parameter: Tensor, weight: Tensor) -> Tensor:
        members = self._sets.get(id(parameter))
        return weight if members is None else members.project(weight)

    def _slopes(self) -> list[Tensor]:
        """Gradients; along the manifold where a set is one."""
        slopes = []
        for p in self._parameters:
            gradient = torch.zeros_like(p) if p.grad is None else p.grad.clone()
            members = self._sets.get(id(p))
            curved = members is not None and members.kind is not Kind.CONVEX
            slopes.append(members.map_gradient(p, gradient) if curved and members else gradient)
        return slopes

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take up to max_iter steps; returns the loss at the start.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss.
        """
        settings, run = self.param_groups[0], self.state[self._parameters[0]]
        evaluate = torch.enable_grad()(closure)
        first = evaluate()
        loss, slopes = float(first), self._slopes()
        run.setdefault("losses", [])
        for _ in range(settings["max_iter"]):
            run["losses"] = [*run["losses"][1 - settings["memory"] :], loss]
            old = [p.clone() for p in self._parameters]
            if "length" not in run:
                largest = max(float(s.abs().max()) for s in slopes if s.numel())
                run["length"] = 1 / largest if largest else 1.0
            length, accepted = run["length"], False
            for _ in range(60):
                moves = self._move(old, slopes, length)
                distance = _inner(moves, moves)
                if distance == 0.0:
                    break
                trial = float(evaluate())
                if trial <= max(run["losses"]) - 1e-4 / length * distance:
                    accepted = True
                    break
                length *= 0.25 if trial == trial and trial < float("inf") else 0.05  # noqa: PLR0124
            if not accepted:  # only round-off is left to gain
                self._place(old)
                evaluate()
                return first
            loss, before, slopes = trial, slopes, self._slopes()
            change = [new - was for new, was in zip(slopes, before, strict=True)]
            curvature = _inner(moves, change)
            if curvature > 0:  # the long and the short step of Barzilai and Borwein in turn
                run["turn"] = not run.get("turn", False)
                spectral = distance / curvature if run["turn"] else curvature / _inner(change, change)
            else:
                spectral = 4 * length
            run["length"] = min(max(spectral, _SHORTEST), _LONGEST)
            if max(float(m.abs().max()) for m in moves if m.numel()) <= settings["tolerance"] * length:
                break
        return first

    def _place(self, weights: list[Tensor]) -> None:
        for p, weight in zip(self._parameters, weights, strict=True):
            p.copy_(weight)

    def _move(self, old: list[Tensor], slopes: list[Tensor], length: float) -> list[Tensor]:
        """Put the parameters at the arc's point, and return how far each moved."""
        for p, was, slope in zip(self._parameters, old, slopes, strict=True):
            p.copy_(self._projected(p, was - length * slope))
        return [p - was for p, was in zip(self._parameters, old, strict=True)]


def _inner(left: list[Tensor], right: list[Tensor]) -> float:
    return sum(float((a.conj() * b).real.sum()) for a, b in zip(left, right, strict=True))
