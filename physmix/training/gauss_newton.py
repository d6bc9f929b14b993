"""Gauss-Newton for the last mixing layer: frozen features, exact laws, and errors near round-off.

Solves min |J d + r|^2 + damping^2 |S d|^2 step by step in the free coordinates of the lawful weights,
where S holds the norms of the columns of J (Marquardt, J. SIAM 11, 1963). The rows of J are streamed
through an orthogonal factorisation, see `BlockLeastSquares`: the normal equations would square a
condition that is near the reciprocal of round-off already.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from physmix.optimization import BlockLeastSquares, nested_dissection
from physmix.problems.residuals import Residuals
from physmix.training.damping import DampedRun, Rule
from physmix.training.trace import Step, Trace, drive
from physmix.training.weights import Weights

RULE = Rule(start=1e-16, most=1.0, fall=1e-4, growth=900.0, by_gain=False)


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
        least: see `DampedRun`.
        progress: called after each step.

    Raises:
        SettingsError: if a residual is not finite at the start.
    """
    return drive(last_layer(Weights(residuals, hidden=False), least=least), steps, progress=progress)


def last_layer(weights: Weights, *, least: float | None = None) -> DampedRun:
    """Gauss-Newton on weights without hidden layers, with features shared out among subdomains or not."""
    return DampedRun(weights, lambda _: _InOrder(weights.residuals), RULE, least=least)


class _InOrder:
    """Blocks of subdomains, with columns in the order of the layout."""

    def __init__(self, residuals: Residuals) -> None:
        layout = residuals.layout
        self._system = linear_system(residuals)
        numbers = torch.arange(layout.count, layout.count + len(residuals.unknowns))
        self._places = torch.cat([*layout.columns, numbers])
        self.slope = self._spread(torch.cat(self._system.gradient))
        self.sizes = self._spread(torch.cat(self._system.squares).sqrt())

    @property
    def left(self) -> float:
        """The least sum of the last solve."""
        return self._system.left

    def solve(self, damping: float) -> Tensor:
        """d."""
        return self._spread(self._system.solve(damping))

    def _spread(self, vector: Tensor) -> Tensor:
        out = torch.empty_like(vector)
        out[self._places] = vector
        return out


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
