"""The isentropic vortex, simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import torch

from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.flows.analytic.vortex import IsentropicVortex
from physmix.flows.checks import at_least
from physmix.flows.flow import Flow
from physmix.flows.simulation.compressible import PACKAGE, SOLVER, GasDomain, coarse, point_values, run_pyro
from physmix.flows.simulation.provenance import made_by


def simulate_vortex(
    *,
    name: str,
    gamma: float,
    strength: float,
    stream: Sequence[float],
    length: float,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """The isentropic vortex, by the compressible solver of pyro.

    The solver runs on cells `refinement` times finer than the stored grid. Stored values are point
    values at the centres of the coarse cells: cell averages of the conserved variables, less h^2/24
    times their discrete Laplacian, which is exact to fourth order and keeps every total.

    Args:
        name: of the data set.
        gamma: ratio of specific heats.
        strength: of the vortex, as in `IsentropicVortex`.
        stream: velocity that carries the vortex.
        length: side of the periodic square.
        duration: the last stored time; the first is 0.
        snapshots: the number of stored times, evenly spaced.
        points: stored grid points along each side.
        refinement: solver cells per stored point along each side.
        cfl: Courant number of the solver's steps.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    settings = dict(locals())
    if len(stream) != 2:
        raise SettingsError("the flow", f"stream={stream}", "give two velocities, such as [1.0, 0.5]")
    at_least(2, snapshots=snapshots)
    at_least(4, points=points)
    at_least(1, refinement=refinement)
    at_least(1e-9, duration=duration)
    vortex = IsentropicVortex(gamma, strength, (float(stream[0]), float(stream[1])), length)
    edges = np.linspace(-length / 2, length / 2, points * refinement + 1)
    domain = GasDomain((edges, edges), ("periodic", "periodic"), gamma, flattening=False)
    times = np.linspace(0.0, duration, snapshots)
    parameters = domain.parameters(cfl)
    start = domain.averages(lambda xy: vortex.fields(torch.nn.functional.pad(xy, (1, 0))))
    states = point_values(coarse(run_pyro(domain, start, times, cfl, progress), refinement))
    density, u, v, pressure = gas.primitive(*states, gamma=gamma)
    axis = (np.arange(points) + 0.5) * length / points - length / 2
    return Flow(
        name=name,
        time=times,
        axes={"x": axis, "y": axis.copy()},
        scalars={"density": density[None], "pressure": pressure[None]},
        vectors={"velocity": np.stack([u, v], axis=-1)[None]},
        parameters={
            "gamma": gamma,
            "strength": strength,
            "stream_x": vortex.stream[0],
            "stream_y": vortex.stream[1],
        },
        boundary={"x": "PERIODIC", "y": "PERIODIC"},
        provenance=made_by(
            PACKAGE,
            SOLVER,
            settings,
            solver_parameters=parameters,
            vortex=asdict(vortex),
            values="point values",
        ),
    )
