"""Gauss-Newton for the last mixing layer: frozen features, exact laws, and errors near round-off.

Solves min |J d + r|^2 + damping^2 |S d|^2 step by step in the free coordinates of the lawful weights,
where S holds the norms of the columns of J (Marquardt, J. SIAM 11, 1963). The rows of J are streamed
through an orthogonal factorisation, see `BlockLeastSquares`: the normal equations would square a
condition that is near the reciprocal of round-off already.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.optimization import BlockLeastSquares, nested_dissection
from physmix.problems.residuals import Residuals

_LEAST, _MOST = 1e-16, 1.0  # damping, over the root of the number of columns
_STALLED = 0.05  # a step that promises to lower the root of the loss by less is the last one


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    Attributes:
        loss: the sum of squares before it.
        gradient: norm of its gradient in coordinates of unit columns.
        step: norm of the step over that of the weights after it.
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
    residuals: Residuals,
    *,
    steps: int = 20,
    least: float | None = None,
    progress: Callable[[Step], None] | None = None,
) -> Trace:
    """Minimise |r|^2 over the mixing weights and the unknown numbers, from their present values.

    Args:
        residuals: of a problem on a model.
        steps: at most.
        least: a step that promises to lower the sum of squares by less is the last one; 5 % of the
            root where omitted.
        progress: called after each step.

    Raises:
        SettingsError: if a residual is not finite at the start.
    """
    trace, begin = Trace(), time.perf_counter()
    loss, damping = residuals.loss(), _LEAST
    if not loss < math.inf:
        problem = "a number is not finite at the start"
        raise SettingsError(
            "the residuals", problem, "correct the data, or the first guess of the unknown numbers"
        )
    for _ in range(steps):
        system = linear_system(residuals)
        gradient = _gradient(system)
        size = math.sqrt(sum(system.sizes))
        start = _vector(residuals)
        while True:
            step = _spread(residuals, system.solve(damping * size))
            _set(residuals, start + step)
            reached = residuals.loss()
            if reached < loss or damping >= _MOST:
                break
            damping = min(max(30 * damping, 1e-9), _MOST)
        if not reached < loss:
            _set(residuals, start)
            trace.reason = "no step lowers the residuals: they are at a minimum, or at round-off"
            return trace
        share = float(step.norm()) / max(float((start + step).norm()), 1e-300)
        trace.steps.append(Step(loss, gradient, share, damping, time.perf_counter() - begin))
        if progress:
            progress(trace.steps[-1])
        # A step may fall short of its promise far from the solution; that it promised nothing tells.
        most = (1 - _STALLED) ** 2 * loss if least is None else loss - least
        stalled = damping <= _LEAST and system.left > most
        loss, damping = reached, max(damping / 100, _LEAST)
        if stalled:
            few = f"{_STALLED:.0%}" if least is None else f"{least:g} in the sum of squares"
            trace.reason = f"no step lowers the residuals by more than {few}"
            return trace
    trace.reason = f"{steps} steps are done"
    return trace


def linear_system(residuals: Residuals) -> BlockLeastSquares:
    """min |J d + r|^2, with a block of columns for each subdomain, then one for bias and unknown numbers."""
    layout = residuals.layout
    sizes = [len(columns) for columns in layout.columns]
    sizes[-1] += len(residuals.unknowns)
    order = nested_dissection(layout.partition.shape) if layout.partition else [(0,)]
    system = BlockLeastSquares(sizes, [*order, (layout.subdomains,)])
    for rows in residuals.rows():
        # Columns come in the order of the layout; blocks take them one subdomain after the other.
        blocks = (*rows.support.subdomains, layout.subdomains)
        jacobian = rows.jacobian
        if len(blocks) > 2:
            place = torch.cat([layout.columns[b] for b in blocks])
            found = torch.searchsorted(rows.support.columns, place)
            extra = torch.arange(len(rows.support.columns), jacobian.shape[1])
            jacobian = jacobian[:, torch.cat([found, extra])]
        system.add(jacobian, -rows.residual, blocks)
    return system


def _gradient(system: BlockLeastSquares) -> float:
    found = 0.0
    for squares, gradient in zip(system.squares, system.gradient, strict=True):
        some = squares > 0
        found += float((gradient[some].square() / squares[some]).sum())
    return math.sqrt(found)


def _vector(residuals: Residuals) -> Tensor:
    numbers = torch.tensor(list(residuals.unknowns.values()), dtype=torch.float64)
    return torch.cat([residuals.layout.coordinates(), numbers])


def _set(residuals: Residuals, vector: Tensor) -> None:
    layout = residuals.layout
    layout.set(vector[: layout.count])
    residuals.unknowns = dict(zip(residuals.unknowns, vector[layout.count :].tolist(), strict=True))


def _spread(residuals: Residuals, step: Tensor) -> Tensor:
    """A step by blocks, in the order of the layout."""
    layout = residuals.layout
    out = torch.empty_like(step)
    out[torch.cat([*layout.columns, torch.arange(layout.count, len(step))])] = step
    return out
