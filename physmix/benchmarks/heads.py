"""What a lawful head costs: beside the network alone, in a training step and in inference."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.timing import in_turn, ratio
from physmix.benchmarks.twins import FIELDS, GAMMA, LAWS
from physmix.grids import PeriodicAxis, StaggeredGrid
from physmix.mixing import FluxLayer
from physmix.optimization import projected
from physmix.surrogates import LawfulStep, PositiveGas
from physmix.surrogates.networks import UNet, drawn_from, fourier_operator, u_shaped_operator

_POINTS, _BATCH, _POTENTIALS, _ROUNDS = 128, 4, 8, 9


class _Plain(nn.Module):
    """The network alone, which adds its outputs to the state."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, state: Tensor) -> Tensor:
        change: Tensor = self.network(state.movedim(-1, 1))
        return state + change.movedim(1, -1)


def head_case(network: Callable[[int], nn.Module]) -> Case:
    """Times of a network with a lawful head that keeps a gas positive, and of the network alone, in turn.

    Args:
        network: with so many channels out.
    """

    def run(case: str) -> list[Row]:
        grid = StaggeredGrid({name: PeriodicAxis(_POINTS, 1.0) for name in "xy"})
        generator = torch.Generator().manual_seed(0)
        head = FluxLayer(grid, LAWS, FIELDS, _POTENTIALS, gain=0.01, generator=generator)
        gas = PositiveGas(FIELDS, GAMMA, density=1e-3, pressure=1e-3)
        models: dict[str, nn.Module] = {}
        with drawn_from(generator):
            models["physmix"] = LawfulStep(network(_POTENTIALS), head, members=gas)
            models["network alone"] = _Plain(network(len(FIELDS)))
        state = torch.tensor([1.0, 0.0, 0.0, 5.0]) + 0.1 * torch.randn(
            _BATCH, _POINTS, _POINTS, len(FIELDS), generator=generator
        )
        # What other processes take is left out.
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        steps = {name: _training(model, state) for name, model in models.items()}
        trained = in_turn(steps, _ROUNDS, clock)
        asked = in_turn({name: partial(_asked, m, state) for name, m in models.items()}, _ROUNDS, clock)
        rows = []
        for what, seconds in (("training step", trained), ("inference", asked)):
            rows.append(ours(case, f"{what} over the network's", ratio(seconds, "physmix", "network alone")))
            rows.append(ours(case, what, 1e3 * min(seconds["physmix"]), "ms"))
            rows.append(peer(case, "network alone", what, 1e3 * min(seconds["network alone"]), "ms"))
        return rows

    return run


def _training(model: nn.Module, state: Tensor) -> Callable[[], None]:
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)
    if isinstance(model, LawfulStep):
        optimizer = projected(optimizer, model)

    def step() -> None:
        optimizer.zero_grad()
        loss: Tensor = (model(state) - state).square().mean()
        loss.backward()
        optimizer.step()

    return step


def _asked(model: nn.Module, state: Tensor) -> None:
    with torch.no_grad():
        model(state)


HEADS: dict[str, Case] = {
    "head on a Fourier operator, 128 x 128": head_case(
        lambda outputs: fourier_operator(len(FIELDS), outputs, 2, modes=16, width=32, depth=4)
    ),
    "head on a U-shaped operator, 128 x 128": head_case(
        lambda outputs: u_shaped_operator(len(FIELDS), outputs, 2, modes=16, width=32)
    ),
    "head on a U-Net, 128 x 128": head_case(
        lambda outputs: UNet(len(FIELDS), outputs, 2, width=32, levels=3)
    ),
}
