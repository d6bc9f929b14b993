"""Laws of networks on periodic grids, judged by the scheme's own sums as dense matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from physmix.benchmarks.dense import Array, derivative
from physmix.benchmarks.library import System
from physmix.benchmarks.reconciliation import LENGTHS
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.violation import LESS, OVER, RELATIVE
from physmix.grids import PeriodicGrid, Scheme
from physmix.laws import compile_complete, compile_laws
from physmix.mixing import LawfulLayer
from physmix.operators import Monomial, plus
from physmix.optimization import projected

STEPS = 60
_POTENTIALS, _BATCH, _TINY = 6, 2, np.finfo(np.float64).tiny
_POINTS = {2: (12, 9), 3: (8, 7, 6), 4: (6, 5, 5, 4)}


class GridNetwork(nn.Module):
    """A deep network at each point, derivatives of its outputs on the grid, and a mixing layer."""

    def __init__(self, system: System, grid: PeriodicGrid, *, lawful: bool) -> None:
        super().__init__()
        laws = [law.homogeneous() if law.order else law for law in system.laws]
        constraint = compile_complete(laws, system.fields, system.coordinates)
        if not lawful:  # the same operators, with weights that are free
            constraint = compile_laws((), system.fields, constraint.operators)
        generator = torch.Generator().manual_seed(0)
        self.grid, self.operators = grid, constraint.operators
        layers: list[nn.Module] = []
        for fan_in, fan_out in ((4, 16), (16, 16), (16, _POTENTIALS)):
            layer = nn.Linear(fan_in, fan_out, dtype=torch.float64)
            with torch.no_grad():
                layer.weight.normal_(0.0, fan_in**-0.5, generator=generator)
                layer.bias.normal_(0.0, 0.1, generator=generator)
            layers += [layer, nn.Tanh()]
        self.network = nn.Sequential(*layers[:-1])
        self.mixing = LawfulLayer(constraint, _POTENTIALS, generator=generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """From channels of any kind to lawful fields, (batch, *grid, channel)."""
        return self.mixing(self.grid.channels(self.network(inputs), self.operators))


def grid_case(system: System) -> Callable[[str], list[Row]]:
    """Random and trained networks in both precisions, the worst of all schemes, beside a free twin."""

    def run(case: str) -> list[Row]:
        rows = []
        for dtype in (torch.float64, torch.float32):
            for steps in (0, STEPS):
                over = relative = 0.0
                less = np.inf
                for scheme in get_args(Scheme):
                    own = _judged(system, scheme, dtype, steps, lawful=True)
                    free = _judged(system, scheme, dtype, steps, lawful=False)
                    over = max(over, own[0])
                    relative = max(relative, own[1])
                    less = min(less, free[1] / max(own[1], _TINY))
                name = f"physmix, {'trained' if steps else 'random'} {str(dtype)[6:]}, worst scheme"
                rows += [
                    ours(case, OVER, over, system=name),
                    ours(case, RELATIVE, relative, system=name),
                    ours(case, LESS, float(less), system=name),
                    peer(case, name.replace("physmix", "free twin"), RELATIVE, free[1]),
                ]
        return rows

    return run


def _judged(
    system: System, scheme: Scheme, dtype: torch.dtype, steps: int, *, lawful: bool
) -> tuple[float, float]:
    """The worst violation of a law over 100 times round-off, and over the sum of its terms."""
    points = _POINTS[len(system.coordinates)]
    grid = PeriodicGrid(tuple(system.coordinates), points, LENGTHS[: len(points)], scheme)
    model = GridNetwork(system, grid, lawful=lawful).to(dtype)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(_BATCH, *points, 4, generator=generator, dtype=torch.float64).to(dtype)
    target = torch.randn(_BATCH, *points, len(system.fields), generator=generator, dtype=torch.float64).to(
        dtype
    )
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=0.01), model)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(inputs) - target).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        fields, potentials = model(inputs).double().numpy(), model.network(inputs).double().numpy()
    weight = model.mixing.weight.detach().double().abs().numpy()
    weight = weight.reshape(_POTENTIALS, len(system.fields), len(model.operators))
    bias = model.mixing.bias.detach().double().abs().numpy()
    known: dict[Monomial, Array] = {}

    def magnitude(field: int, b: Monomial) -> Array:
        """|W| |D^b D phi|, and |beta| where nothing is differentiated."""
        total = np.full(fields.shape[:-1], 0.0 if any(b) else bias[field])
        for a, monomial in enumerate(model.operators.monomials):
            both = plus(monomial, b) if any(b) else monomial
            if both not in known:
                known[both] = np.abs(_derived(potentials, grid, both))
            total = total + known[both] @ weight[:, field, a]
        return total

    worst_over = worst = 0.0
    eps = torch.finfo(dtype).eps
    for law in (law.homogeneous() if law.order else law for law in system.laws):
        terms, size = [], np.zeros(fields.shape[:-1])
        for (name, b), value in law.terms.items():
            place = system.fields.index(name)
            terms.append(float(value) * _derived(fields[..., place, None], grid, b)[..., 0])
            size = size + abs(float(value)) * magnitude(place, b)
        missed = float(np.abs(np.sum(terms, 0) - float(law.source)).max())
        worst_over = max(worst_over, missed / (100 * eps * float(np.max(size))))
        worst = max(worst, missed / max(float(np.sum(np.abs(terms), 0).max()), _TINY))
    return worst_over, worst


def _derived(values: Array, grid: PeriodicGrid, monomial: Monomial) -> Array:
    """A product of derivatives of (batch, *grid, channel), by matrices."""
    found = np.moveaxis(values, 0, -1)
    for axis, exponent in enumerate(monomial):
        for _ in range(exponent):
            found = derivative(found, grid, axis)
    return np.moveaxis(found, -1, 0)
