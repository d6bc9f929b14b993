"""The isentropic vortex, simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch

from physmix.errors import SettingsError
from physmix.flows.analytic.vortex import IsentropicVortex
from physmix.flows.flow import Flow
from physmix.flows.simulation.compressible import point_values
from physmix.flows.simulation.gas_in_square import gas_in_square


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
    vortex = IsentropicVortex(gamma, strength, (float(stream[0]), float(stream[1])), length)
    carried = {"stream_x": vortex.stream[0], "stream_y": vortex.stream[1]}
    return gas_in_square(
        lambda xy: vortex.fields(torch.nn.functional.pad(xy, (1, 0))),
        settings,
        "periodic",
        progress,
        parameters={"gamma": gamma, "strength": strength, **carried},
        start=-length / 2,
        side=length,
        stored=point_values,
        vortex=asdict(vortex),
        values="point values",
    )
