"""A gas in a square of even cells: what its simulations share, from a first state to a flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from physmix.flows import gas
from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.simulation.compressible import PACKAGE, SOLVER, Array, GasDomain, coarse, run_pyro
from physmix.flows.simulation.provenance import made_by

State = Callable[[Tensor], dict[str, Tensor]]
SIDES = {"periodic": "PERIODIC", "outflow": "OPEN"}
"""What happens at the sides, in the words of the solver and of flows."""


def check_run(settings: Mapping[str, Any]) -> None:
    """Raise SettingsError unless the numbers that every simulation of a gas has make one."""
    at_least(2, snapshots=settings["snapshots"])
    at_least(4, points=settings["points"])
    at_least(1, refinement=settings["refinement"])
    at_least(1e-9, duration=settings["duration"])
    positive("the flow", **{"gamma - 1": settings["gamma"] - 1})


def gas_in_square(
    state: State,
    settings: Mapping[str, Any],
    boundary: str,
    progress: Callable[[float], None] | None,
    *,
    parameters: Mapping[str, float],
    flattening: bool = False,
    start: float = 0.0,
    side: float = 1.0,
    stored: Callable[[Array], Array] | None = None,
    **told: Any,
) -> Flow:
    """The flow that begins with a state, simulated by pyro on cells finer than the stored ones.

    Args:
        state: takes points (point, 2) of x, y to the primitive fields at time 0.
        settings: name, gamma, duration, snapshots, points, refinement and cfl, and those of the flow.
        boundary: of all sides, periodic or outflow.
        progress: called with the simulated time after each snapshot.
        parameters: of the flow, that are stored with it.
        flattening: whether slopes are reduced at shocks.
        start: where the square begins, along x and along y.
        side: its length.
        stored: takes averages over stored cells of the conserved variables, (4, time, x, y), to what is
            stored; the same if omitted.
        told: what else its provenance says.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    check_run(settings)
    points, refinement = settings["points"], settings["refinement"]
    edges = np.linspace(start, start + side, points * refinement + 1)
    domain = GasDomain((edges, edges), (boundary, boundary), settings["gamma"], flattening)
    numbers = domain.parameters(settings["cfl"])
    times = np.linspace(0.0, settings["duration"], settings["snapshots"])
    states = coarse(run_pyro(domain, domain.averages(state), times, settings["cfl"], progress), refinement)
    states = states if stored is None else stored(states)
    density, u, v, pressure = gas.primitive(*states, gamma=settings["gamma"])
    axis = (np.arange(points) + 0.5) * side / points + start
    told = {"values": "cell averages", **told}
    return Flow(
        name=settings["name"],
        time=times,
        axes={"x": axis, "y": axis.copy()},
        scalars={"density": density[None], "pressure": pressure[None]},
        vectors={"velocity": np.stack([u, v], axis=-1)[None]},
        parameters=dict(parameters),
        boundary=dict.fromkeys("xy", SIDES[boundary]),
        provenance=made_by(PACKAGE, SOLVER, settings, solver_parameters=numbers, **told),
    )
