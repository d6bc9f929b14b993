"""Problems whose constrained optimum is known by construction, for every pair of set and optimiser.

f(W) = sum over rows of (w - t)^H H (w - t) / 2. Choose the optimum w*, and a vector v of the normal
cone of the set there; with t = w* + H^-1 v the gradient at w* is -v, so that w* is optimal. On
orthonormal rows tr(W R W^T) has the sum of the smallest eigenvalues of R as its least value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from physmix.benchmarks.roads import descend, lbfgs, project_afterwards, search
from physmix.benchmarks.row import Row, ours, peer
from physmix.constraints import Box, ConstraintSet, Convex, Kind, LinearSet, Orthonormal, Simplex
from physmix.errors import UnsupportedOptimizerError
from physmix.optimization import (
    GaussNewton,
    SpectralProjectedGradient,
    constrain,
    free_coordinates,
    projected,
    violations,
)

ROWS, SIZE = 3, 8
EXCESS, REFUSED = "relative excess over the optimum", "refused, naming what to use"
Draw = Callable[..., Tensor]


class KnownOptimum(nn.Module):
    """A loss over one weight in a set, with its least value on the set."""

    def __init__(
        self, members: ConstraintSet, root: Tensor, target: Tensor, least: float, start: Tensor
    ) -> None:
        super().__init__()
        self.root, self.target, self.least, self.members = root, target, least, members
        self.weight = nn.Parameter(start)
        constrain(self, members)

    def residuals(self) -> Tensor:
        """Real numbers whose squares sum to twice the loss."""
        off = ((self.weight - self.target) @ self.root.mT).flatten()
        return torch.view_as_real(off).flatten() if off.is_complex() else off

    def forward(self) -> Tensor:
        """The loss."""
        return 0.5 * self.residuals().square().sum()

    @property
    def excess(self) -> float:
        """How far the loss is above its least value, relative to that."""
        return float(self().detach()) / self.least - 1

    @property
    def violation(self) -> float:
        """The violation of the weight over its bound."""
        eps = torch.finfo(self.weight.dtype).eps
        bound = max(self.members.tolerance, 10 * eps * SIZE**0.5)
        return next(iter(violations(self).values())) / bound


def known(name: str, condition: float) -> KnownOptimum:
    """The problem on a named set, with a Hessian of this condition number."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.complex128 if name == "complex linear" else torch.float64

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=kind)

    turn = torch.linalg.qr(draw(SIZE, SIZE)).Q
    levels = torch.logspace(0, float(torch.tensor(condition).log10()), SIZE, dtype=torch.float64)
    root = (turn * levels.sqrt()) @ turn.mH
    if name == "orthonormal":
        zero = draw(ROWS, SIZE) * 0
        return KnownOptimum(Orthonormal("rows"), root, zero, float(levels[:ROWS].sum()) / 2, draw(ROWS, SIZE))
    members, optimum, normal = _SETS[name](draw)
    # Of size one in the norm of the problem, so that the least loss is neither tiny nor huge.
    shift = torch.linalg.solve(root, torch.linalg.solve(root.mH, normal.mT)).mT
    off = (shift @ root.mT).flatten()
    least = 0.5 * float((off.conj() * off).real.sum())
    return KnownOptimum(members, root, optimum + shift, least, draw(ROWS, SIZE))


def _linear(draw: Draw) -> tuple[ConstraintSet, Tensor, Tensor]:
    matrix, multiplier = draw(3, SIZE), draw(ROWS, 3)
    members = LinearSet(matrix, draw(3))
    return members, members.project(draw(ROWS, SIZE)), multiplier @ matrix.conj()


def _simplex(draw: Draw) -> tuple[ConstraintSet, Tensor, Tensor]:
    members = Simplex()
    optimum = members.project(draw(ROWS, SIZE))
    level, outward = draw(ROWS, 1), -draw(ROWS, SIZE).abs()
    return members, optimum, torch.where(optimum > 0, level, level + outward)


def _box(draw: Draw) -> tuple[ConstraintSet, Tensor, Tensor]:
    members = Box(-0.5, 0.5)
    optimum, outward = members.project(draw(ROWS, SIZE)), draw(ROWS, SIZE).abs()
    return members, optimum, torch.where(optimum.abs() < 0.5, 0.0, optimum.sign() * outward)


def _cvxpy(draw: Draw) -> tuple[ConstraintSet, Tensor, Tensor]:
    import cvxpy  # noqa: PLC0415

    members = Convex(lambda w: [cvxpy.norm(w, 1) <= 1], (SIZE,))
    optimum = draw(ROWS, SIZE) * (torch.arange(SIZE) % 2)
    optimum = optimum / optimum.abs().sum(1, keepdim=True)
    inside = draw(ROWS, SIZE).tanh()
    return members, optimum, torch.where(optimum != 0, optimum.sign(), inside)


_SETS = {
    "linear": _linear,
    "complex linear": _linear,
    "simplex": _simplex,
    "box": _box,
    "cvxpy-defined": _cvxpy,
}


def _first_order(
    make: Callable[[Any, float], torch.optim.Optimizer], share: float
) -> Callable[[KnownOptimum, float, int], None]:
    def run(problem: KnownOptimum, condition: float, steps: int) -> None:
        optimizer = projected(make(problem.parameters(), condition), problem)
        descend(problem, optimizer, max(1, round(share * steps)))

    return run


def _quasi_newton(problem: KnownOptimum, condition: float, steps: int) -> None:
    del condition
    search(problem, projected(lbfgs(problem.parameters(), 50), problem), max(1, steps // 500))


def _spectral(problem: KnownOptimum, condition: float, steps: int) -> None:
    del condition
    search(problem, SpectralProjectedGradient(problem, max_iter=max(50, steps // 4)))


def _gauss_newton(problem: KnownOptimum, condition: float, steps: int) -> None:
    del condition, steps
    optimizer = GaussNewton(problem)
    for _ in range(20):
        optimizer.step(problem.residuals)


def _free(problem: KnownOptimum, condition: float, steps: int) -> None:
    del condition
    free_coordinates(problem)
    search(problem, lbfgs(problem.parameters(), 50), max(1, steps // 500))


def _adam(parameters: Any, condition: float = 1.0) -> torch.optim.Optimizer:
    del condition
    return torch.optim.Adam(parameters, lr=0.05)


OPTIMIZERS: dict[str, Callable[[KnownOptimum, float, int], None]] = {
    "SGD": _first_order(lambda p, c: torch.optim.SGD(p, lr=1.9 / c), 1.0),
    "SGD with momentum": _first_order(lambda p, c: torch.optim.SGD(p, lr=1.0 / c, momentum=0.9), 0.5),
    "Adam": _first_order(_adam, 0.5),
    "RMSprop": _first_order(lambda p, _: torch.optim.RMSprop(p, lr=0.02), 0.5),
    "L-BFGS": _quasi_newton,
    "Gauss-Newton": _gauss_newton,
    "spectral projected gradient": _spectral,
    "L-BFGS in free coordinates": _free,
}
_AFFINE_ONLY = ("L-BFGS", "Gauss-Newton", "L-BFGS in free coordinates")


def optimum_case(name: str, condition: float, steps: int) -> Callable[[str], list[Row]]:
    """The case of one set: every optimiser, the refused ones, and the naive twin."""

    def run(case: str) -> list[Row]:
        rows = []
        affine = known(name, condition).members.kind is Kind.AFFINE
        for system, train in OPTIMIZERS.items():
            problem = known(name, condition)
            if system in _AFFINE_ONLY and not affine:
                if system != "L-BFGS in free coordinates":
                    rows.append(ours(case, REFUSED, _refused(train, problem), system=system))
                continue
            train(problem, condition, steps)
            rows.append(ours(case, EXCESS, problem.excess, system=system))
            if system != "L-BFGS in free coordinates":
                rows.append(ours(case, "violation over its bound", problem.violation, system=system))
        problem = known(name, condition)
        rows.append(ours(case, REFUSED, _decay_refused(problem), system="AdamW with decay"))
        rows.append(ours(case, REFUSED, _clip_refused(problem), system="clipping by value"))
        naive = project_afterwards(_adam(problem.parameters()), problem.weight, problem.members)
        descend(problem, naive, steps // 2)
        rows.append(peer(case, "Adam, step then project", EXCESS, problem.excess))
        return rows

    return run


def _refused(train: Callable[..., None], problem: KnownOptimum) -> float:
    try:
        train(problem, 1.0, 1)
    except UnsupportedOptimizerError as error:
        return float("physmix." in str(error))
    return 0.0


def _decay_refused(problem: KnownOptimum) -> float:
    try:
        projected(torch.optim.AdamW(problem.parameters()), problem)
    except UnsupportedOptimizerError as error:
        return float("weight_decay=0" in str(error))
    return 0.0


def _clip_refused(problem: KnownOptimum) -> float:
    optimizer = projected(torch.optim.SGD(problem.parameters(), lr=0.0), problem)
    problem().backward()
    assert problem.weight.grad is not None
    if problem.weight.grad.is_complex():
        return 1.0  # torch itself refuses to clip complex gradients by value
    torch.nn.utils.clip_grad_value_(problem.parameters(), 0.1 * float(problem.weight.grad.abs().max()))
    try:
        optimizer.step()
    except UnsupportedOptimizerError as error:
        return float("clip_grad_norm_" in str(error))
    return 0.0
