"""One optimum by every road: in closed form, in null-space coordinates, and by projected optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from physmix.benchmarks.roads import descend, lbfgs, project_afterwards, search
from physmix.benchmarks.row import Row, ours, peer
from physmix.constraints import ConstraintSet, Kind
from physmix.optimization import SpectralProjectedGradient, constrain, free_coordinates, projected

EXCESS = "excess over the optimum"
_BOUND = "<= 1e-6"


class Quadratic(nn.Module):
    """|L W^T - D|^2 over W in a set, for the design L and the target D of moments.

    Args:
        members: the set.
        design: L, (rank, inputs).
        target: D, (rank, outputs); zero where the power of the outputs is meant.
        seed: of the start, a member of the set.
    """

    def __init__(self, members: ConstraintSet, design: Tensor, target: Tensor, seed: int = 0) -> None:
        super().__init__()
        size = torch.linalg.matrix_norm(design, 2)
        self.design, self.target, self.members = design / size, target / size, members
        generator = torch.Generator().manual_seed(seed)
        dtype = members.double(design.dtype)
        start = members.sample(target.shape[1], design.shape[1], generator=generator, dtype=dtype)
        self.weight = nn.Parameter(start)
        constrain(self, members)

    def forward(self, weight: Tensor | None = None) -> Tensor:
        """The loss, of the parameter or of a given weight."""
        weight = self.weight if weight is None else weight
        off = self.design.to(weight.dtype) @ weight.mT - self.target
        return off.abs().square().sum()

    @property
    def steepest(self) -> tuple[float, float]:
        """The largest and the smallest curvature along the set."""
        values = torch.linalg.svdvals(self.design) ** 2
        return 2 * float(values[0]), 2 * float(values[-1])


def optima(
    case: str,
    make: Callable[[], Quadratic],
    best: Tensor,
    *,
    steps: int = 1000,
    adam: float = 0.05,
    twin: bool = True,
    bound: str = _BOUND,
) -> list[Row]:
    """The excess of every road over the closed form, relative to it, and that of a twin that must fail.

    Args:
        case: of the rows.
        make: the problem at its start, in coordinates where it is well conditioned.
        best: the weight in closed form, in these coordinates.
        steps: of the projected optimisers.
        adam: the first step of Adam, over the largest weight.
        twin: whether to show Adam that is only projected after its steps.
        bound: the target.
    """
    least = float(make()(best))
    length = adam * float(best.abs().max())
    rows = []

    def excess(problem: Quadratic) -> float:
        return abs(float(problem().detach()) - least) / (least or 1.0)  # below it is outside of the set

    def reached(system: str, problem: Quadratic) -> None:
        rows.append(ours(case, EXCESS, excess(problem), system=system, target=bound))

    problem = make()
    if problem.members.kind is Kind.AFFINE:
        free_coordinates(problem)
        search(problem, lbfgs(problem.parameters(), 400, 60))
        reached("L-BFGS in null-space coordinates", problem)
    else:
        search(problem, SpectralProjectedGradient(problem, max_iter=2000))
        reached("spectral projected gradient", problem)
    fast, slow = (curvature**0.5 for curvature in make().steepest)
    roads: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
        "projected SGD": lambda p: torch.optim.SGD(
            p, lr=4 / (fast + slow) ** 2, momentum=((fast - slow) / (fast + slow)) ** 2
        ),
        "projected Adam": lambda p: torch.optim.Adam(p, lr=length),
    }  # fmt: skip
    for name, road in roads.items():
        problem = make()
        descend(problem, projected(road(problem.parameters()), problem), steps)
        reached(name, problem)
    if twin:
        problem = make()
        naive = torch.optim.Adam(problem.parameters(), lr=length)
        descend(problem, project_afterwards(naive, problem.weight, problem.members), steps)
        rows.append(peer(case, "Adam, step then project", EXCESS, excess(problem)))
    return rows
