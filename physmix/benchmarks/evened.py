"""Residuals that count as much in every subdomain, however large they are there.

At a high Reynolds number what is left beside walls is a thousand times what is left in the core of a flow;
and a core that turns too slowly costs less than the last hundredth of that. So residuals are weighed by what
the last solution left of them, as in least squares that are reweighted (Daubechies, DeVore, Fornasier and
Guentuerk, "Iteratively reweighted least squares minimization", 2010): no known flow tells these weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physmix.problems import Equations, State
from physmix.training import Solution

_POINTS = 12  # at random in each cell, which tell its root mean square
_LEAST = 0.1  # quantile of the cells below which all count alike
_SEED = 5

Cuts = tuple[Sequence[float], Sequence[float]]


def evened(solution: Solution, equations: Equations, cuts: Cuts) -> Callable[[State], Tensor]:
    """A factor of the one residual of equations in the unit square: one over what a solution left of it.

    Args:
        solution: on x and y.
        equations: whose residual it is, with none of these factors.
        cuts: along x, and along y, between which the root mean square is taken; the logarithm of the
            factor is linear between the centres of these cells.
    """
    along, up = (torch.tensor([0.0, *one, 1.0], dtype=torch.float64) for one in cuts)
    shape = len(up) - 1, len(along) - 1, _POINTS
    unit = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    x = along[:-1, None] + unit[..., 0] * along.diff()[:, None]
    y = up[:-1, None, None] + unit[..., 1] * up.diff()[:, None, None]
    assert equations.residual is not None
    (left,) = equations.residual(solution.at(torch.stack([x.flatten(), y.flatten()], 1))).values()
    sizes = left.detach().view(shape).square().mean(2).sqrt()
    table = -torch.log((sizes / sizes.flatten().quantile(_LEAST)).clamp(min=1.0))

    def factor(at: State) -> Tensor:
        i, right = _between(along, at["x"])
        j, above = _between(up, at["y"])
        below = (1 - right) * table[j, i] + right * table[j, i + 1]
        over = (1 - right) * table[j + 1, i] + right * table[j + 1, i + 1]
        return torch.exp((1 - above) * below + above * over)

    return factor


def _between(ends: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """The last cell whose centre is before each place, and how far on to the next one it is."""
    centres = (ends[1:] + ends[:-1]) / 2
    first = torch.searchsorted(centres, places.contiguous()).clamp(1, len(centres) - 1) - 1
    share = (places - centres[first]) / (centres[first + 1] - centres[first])
    return first, share.clamp(0.0, 1.0)
