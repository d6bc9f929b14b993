"""Gauss-Newton for sums of squares, in free coordinates of affine sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from physmix.constraints import ConstraintSet, Kind
from physmix.errors import ShapeError, UnsupportedOptimizerError
from physmix.optimization.composition import watch_composition
from physmix.optimization.constrained import constrained_parameters


@dataclass(frozen=True)
class _Chart:
    """A parameter as real, free coordinates."""

    parameter: nn.Parameter
    members: ConstraintSet | None

    def coordinates(self, weight: Tensor) -> Tensor:
        """Of weights with any leading axes before those of the parameter."""
        lead = weight.shape[: weight.ndim - self.parameter.ndim]
        free = weight if self.members is None else self.members.coordinates(weight)
        real = torch.view_as_real(free) if free.is_complex() else free
        return real.reshape(*lead, -1)

    def slopes(self, gradients: Tensor) -> Tensor:
        """Gradients with respect to the coordinates: their linear part."""
        return self.coordinates(gradients) - self.coordinates(torch.zeros_like(self.parameter))

    def move(self, step: Tensor) -> None:
        """Add a step of the coordinates to the parameter."""
        if self.members is None:
            now = torch.view_as_real(self.parameter) if self.parameter.is_complex() else self.parameter
            now.add_(step.view_as(now))
            return
        free = self.members.coordinates(self.parameter)
        real = torch.view_as_real(free) if free.is_complex() else free
        real.add_(step.view_as(real))
        self.parameter.copy_(self.members.point(free).view_as(self.parameter))


class GaussNewton(torch.optim.Optimizer):
    """Levenberg-Marquardt: Gauss-Newton steps, damped as far as they fail to lower the sum of squares.

    Solves min |J d + r|^2 + damping |d|^2 by orthogonal factorisation, in null-space coordinates
    W = W0 + N theta of each affine set; the damping follows Nielsen, "Damping parameter in Marquardt's
    method", 1999. The Jacobian is held whole: for up to some thousand residuals and weights.

    Args:
        module: all its parameters are trained.
        damping: at the start, relative to the largest squared singular value of J.

    Raises:
        UnsupportedOptimizerError: if a set is not affine.
    """

    def __init__(self, module: nn.Module, *, damping: float = 1e-3) -> None:
        sets = {id(p): members for p, members in constrained_parameters(module)}
        for members in sets.values():
            if members.kind is not Kind.AFFINE:
                raise UnsupportedOptimizerError(
                    "GaussNewton",
                    f"the set {members!r}",
                    "its steps leave the set; use physmix.SpectralProjectedGradient(module)",
                )
        parameters = [p for p in module.parameters() if p.requires_grad]
        super().__init__(parameters, {"damping": damping})
        self._charts = [_Chart(p, sets.get(id(p))) for p in parameters]
        watch_composition(module)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Take one step that lowers |r|^2, or none if there is none; returns |r|^2 at the start.

        Args:
            closure: returns the residuals r, a real tensor that depends on the parameters; it does
                not call backward.

        Raises:
            ShapeError: if the residuals are complex.
        """
        with torch.enable_grad():
            residuals = closure().reshape(-1)
            if residuals.is_complex():
                raise ShapeError("complex residuals", residuals.shape, "real ones: torch.view_as_real(r)")
            jacobian = self._jacobian(residuals)
        start = residuals.square().sum()
        run, size = self.state[self._charts[0].parameter], float(jacobian.square().sum(0).max())
        run.setdefault("damping", self.param_groups[0]["damping"] * (size or 1.0))
        run.setdefault("growth", 2.0)
        eye = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device)
        right = torch.cat([-residuals, residuals.new_zeros(len(eye))])[:, None]
        kept = [p.clone() for p in self._parameters]
        for _ in range(40):
            damped = torch.cat([jacobian, run["damping"] ** 0.5 * eye])  # of full rank, as gels asks
            step = torch.linalg.lstsq(damped, right, driver="gels").solution[:, 0]
            self._move(step)
            with torch.enable_grad():
                reached = closure().detach().square().sum()
            foretold = step @ (run["damping"] * step - jacobian.T @ residuals)
            gain = float((start - reached) / foretold) if float(foretold) > 0 else 0.0
            if gain > 0:
                run["damping"] *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                run["growth"] = 2.0
                return start
            for p, was in zip(self._parameters, kept, strict=True):
                p.copy_(was)
            if float(step.norm()) <= torch.finfo(step.dtype).eps:
                break
            run["damping"] *= run["growth"]
            run["growth"] *= 2
        return start

    @property
    def _parameters(self) -> list[Tensor]:
        return [chart.parameter for chart in self._charts]

    def _jacobian(self, residuals: Tensor) -> Tensor:
        """d residual / d coordinate, (residual, coordinate)."""
        eye = torch.eye(len(residuals), dtype=residuals.dtype, device=residuals.device)
        gradients = torch.autograd.grad(
            residuals, self._parameters, eye, is_grads_batched=True, materialize_grads=True
        )
        return torch.cat([chart.slopes(g) for chart, g in zip(self._charts, gradients, strict=True)], 1)

    def _move(self, step: Tensor) -> None:
        sizes = [chart.coordinates(chart.parameter).numel() for chart in self._charts]
        for chart, part in zip(self._charts, step.split(sizes), strict=True):
            chart.move(part)
