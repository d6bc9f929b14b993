"""Surrogates of a small ensemble of gases: with exact totals, and twins without, at one budget."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.flows import gas
from physmix.flows.simulation import simulate_streams
from physmix.grids import PeriodicAxis, StaggeredGrid
from physmix.laws import parse_laws
from physmix.mixing import FluxLayer
from physmix.surrogates import LawfulStep, NextState, Pieces, PositiveGas, persistence, total_rows
from physmix.surrogates.networks import drawn_from, fourier_operator
from physmix.training import Stage, fit

States = Float[Tensor, "trajectory time x y field"]
FIELDS = gas.conserved_names("xy")
LAWS = parse_laws(
    {"mass": "integral(rho) = const", "momentum": "integral(m) = const", "energy": "integral(E) = const"},
    "txy",
    vectors=["m"],
)
GAMMA, _FLOOR = 1.4, 0.1


@dataclass(frozen=True)
class Gases:
    """Conserved states in a periodic unit square, float64.

    Attributes:
        train: whole trajectories.
        test: others.
        least: density and pressure below which no state may come.
    """

    train: Float[Tensor, "trajectory time x y field"]
    test: Float[Tensor, "test time x y field"]
    least: tuple[float, float]

    @classmethod
    def of(cls, states: States, tests: int) -> Gases:
        """The last trajectories for tests, and a tenth of the least density and pressure as bounds."""
        train = states[:-tests]
        primitive = gas.primitive(*train.unbind(-1), gamma=GAMMA)
        density, pressure = (_FLOOR * float(primitive[i].amin()) for i in (0, -1))
        return cls(train, states[-tests:], (density, pressure))

    @property
    def members(self) -> PositiveGas:
        """What no state may leave."""
        return PositiveGas(FIELDS, GAMMA, density=self.least[0], pressure=self.least[1])


@cache
def streams(points: int = 64, members: int = 16, times: int = 17) -> Gases:
    """Streams that roll up, a tenth of a time unit from state to state, each of its own settings."""
    random, found = np.random.default_rng(0), []
    for seed in range(members):
        flow = simulate_streams(
            name="streams",
            seed=seed,
            gamma=GAMMA,
            density=random.uniform(1.0, 3.0),
            speed=1.0,
            width=random.uniform(0.03, 0.06),
            push=random.uniform(0.1, 0.3),
            mach=random.uniform(0.5, 1.0),
            duration=0.1 * (times - 1),
            snapshots=times,
            points=points,
            refinement=1,
            cfl=0.8,
        )
        parts = [torch.from_numpy(flow.component(name)).double() for name in gas.PRIMITIVE]
        found.append(torch.stack(gas.conserved(*parts, gamma=GAMMA), -1))
    return Gases.of(torch.cat(found), members // 4)


@dataclass(frozen=True)
class Budget:
    """What each twin is given.

    Attributes:
        data: the gases.
        steps: of Adam, whose rate falls to zero along half a cosine.
        rate: the first one.
        batch: pieces in each step.
        unroll: steps in each piece.
        noise: deviation of what is added to their first states, in units of the change over one step.
        modes: of the Fourier operator, along each side.
        width: of it.
        depth: of it.
        potentials: what it makes in each cell.
        penalty: weight of missed totals in the loss of the twin with a soft penalty, where a loss of 1
            is that of repeating the first state.
    """

    data: Callable[[], Gases] = streams
    steps: int = 900
    rate: float = 8e-3
    batch: int = 4
    unroll: int = 2
    noise: float = 0.3
    modes: int = 16
    width: int = 16
    depth: int = 4
    potentials: int = 8
    penalty: float = 1.0


def _untrained(budget: Budget, seed: int, *, lawful: bool) -> LawfulStep:
    """A Fourier operator and a head; the weights of the operator do not depend on whether it is lawful."""
    gases = budget.data()
    flat, points = gases.train.flatten(0, -2), gases.train.shape[2]
    size, mean = (dict(zip(FIELDS, v.tolist(), strict=True)) for v in (flat.std(0), flat.mean(0)))
    with drawn_from(torch.Generator().manual_seed(seed)):
        network = fourier_operator(
            len(FIELDS), budget.potentials, 2, modes=budget.modes, width=budget.width, depth=budget.depth
        )
    grid = StaggeredGrid({name: PeriodicAxis(points, 1.0) for name in "xy"})
    generator = torch.Generator().manual_seed(seed)
    laws = LAWS if lawful else ()
    head = FluxLayer(grid, laws, FIELDS, budget.potentials, size=size, generator=generator)
    return LawfulStep(network, head, mean=mean, size=size, members=gases.members)


@cache
def trained(budget: Budget, seed: int, *, lawful: bool, soft: bool = False) -> LawfulStep:
    """A surrogate after all steps: the same batches for each of a seed."""
    model, train = _untrained(budget, seed, lawful=lawful), budget.data().train
    pieces = Pieces(train.float(), unroll=budget.unroll, batch=budget.batch, seed=seed)
    sample = train.unfold(1, budget.unroll + 1, 1).movedim(-1, 2).flatten(0, 1)
    task = NextState(
        model,
        pieces,
        persistence(sample),
        noise=budget.noise,
        penalty=budget.penalty if soft else 0.0,
        totals=total_rows(LAWS, FIELDS),
        seed=seed,
    )
    stage = Stage("adam", lambda p: torch.optim.Adam(p, lr=budget.rate), budget.steps, anneal=True)
    with tempfile.TemporaryDirectory() as folder:
        fit(task, [stage], Path(folder), steps_per_epoch=budget.steps, progress=False)
    return model.eval()


class Corrected(nn.Module):
    """A surrogate whose totals are set right after each step: the mean change is taken off everywhere."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Float[Tensor, "batch x y field"]) -> Float[Tensor, "batch x y field"]:
        """The state one step later, with the mean of the present one."""
        later: Tensor = self.model(state)
        return later - (later - state).mean((1, 2), keepdim=True)
