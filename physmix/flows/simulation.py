"""Flows simulated by solvers that other people keep."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physmix.errors import MissingPackageError, SettingsError
from physmix.flows.flow import Flow
from physmix.flows.vortex import IsentropicVortex

Array = NDArray[np.float64]
_NAMES = ("density", "x-momentum", "y-momentum", "energy")


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
    """The isentropic vortex, by the compressible solver of pyro (corner transport upwind, HLLC).

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
    settings = {k: v for k, v in locals().items() if k != "progress"}
    if len(stream) != 2:
        raise SettingsError("the flow", f"stream={stream}", "give two velocities, such as [1.0, 0.5]")
    _check(
        snapshots=(snapshots, 2),
        points=(points, 4),
        refinement=(refinement, 1),
        duration=(duration, 1e-9),
        cfl=(cfl, 1e-3),
    )
    if cfl > 1:
        raise SettingsError("the flow", f"cfl={cfl} is unstable", "give a number up to 1")
    vortex = IsentropicVortex(gamma, strength, (float(stream[0]), float(stream[1])), length)
    times = np.linspace(0.0, duration, snapshots)
    states = _run_pyro(vortex, times, points * refinement, cfl, progress)
    coarse = states.reshape(4, snapshots, points, refinement, points, refinement).mean((3, 5))
    density, mx, my, energy = point_values(coarse)
    u, v = mx / density, my / density
    pressure = (gamma - 1) * (energy - density * (u**2 + v**2) / 2)
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
        provenance={
            "solver": "pyro-hydro compressible",
            "solver_version": importlib.metadata.version("pyro-hydro"),
            "solver_parameters": json.dumps(_pyro_parameters(vortex, points * refinement, cfl)),
            "vortex": json.dumps(asdict(vortex)),
            "settings": json.dumps(settings, default=list),
        },
    )


def point_values(averages: Array) -> Array:
    """Point values at cell centres from cell averages on the last two, periodic, axes.

    Fourth order: f = mean - (h^2 / 24) Laplacian (McCorquodale and Colella, "A high-order
    finite-volume method for conservation laws on locally refined grids", 2011, equation 12).
    """
    laplacian = sum(
        np.roll(averages, 1, axis) + np.roll(averages, -1, axis) - 2 * averages for axis in (-1, -2)
    )
    return np.asarray(averages - laplacian / 24)


def cell_averages(vortex: IsentropicVortex, edges_x: Array, edges_y: Array) -> Array:
    """Averages of the conserved variables at t = 0 over cells, by 3 x 3 Gauss points a cell."""
    nodes, weights = np.polynomial.legendre.leggauss(3)

    def places(edges: Array) -> Array:
        middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        return np.asarray(middle[:, None] + half[:, None] * nodes)

    x, y = places(edges_x), places(edges_y)
    values = np.stack(vortex.conserved(0.0, x[:, :, None, None], y[None, None]))
    return np.asarray(np.einsum("fxayb,a,b->fxy", values, weights / 2, weights / 2))


def _pyro_parameters(vortex: IsentropicVortex, cells: int, cfl: float) -> dict[str, Any]:
    half = vortex.length / 2
    return {
        "mesh.nx": cells,
        "mesh.ny": cells,
        "mesh.xmin": -half,
        "mesh.xmax": half,
        "mesh.ymin": -half,
        "mesh.ymax": half,
        **{f"mesh.{side}boundary": "periodic" for side in ("xl", "xr", "yl", "yr")},
        "eos.gamma": vortex.gamma,
        "driver.cfl": cfl,
        "driver.max_steps": 10**9,
        "driver.init_tstep_factor": 1.0,
        "compressible.cvisc": 0.0,  # the artificial viscosity flux would not telescope
        "compressible.use_flattening": 0,  # the flow is smooth
    }


def _run_pyro(
    vortex: IsentropicVortex,
    times: Array,
    cells: int,
    cfl: float,
    progress: Callable[[float], None] | None,
) -> Array:
    """Conserved cell averages at the given times, shape (4, time, x, y)."""
    try:
        from pyro import Pyro  # noqa: PLC0415  optional, and slow to import
    except ImportError as error:
        raise MissingPackageError("pyro-hydro", "simulate") from error
    edges = np.linspace(-vortex.length / 2, vortex.length / 2, cells + 1)

    def initial(data: Any, parameters: Any) -> None:
        del parameters
        inner = data.grid.ng
        for field, average in zip(_NAMES, cell_averages(vortex, edges, edges), strict=True):
            data.get_var(field)[inner:-inner, inner:-inner] = average

    out = np.empty((4, len(times), cells, cells))
    # The solver writes its parameters into the working directory.
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its parameter files open
        solver = Pyro("compressible")
        solver.add_problem("isentropic_vortex", initial)
        settings = _pyro_parameters(vortex, cells, cfl) | {"driver.tmax": 1.0}
        solver.initialize_problem("isentropic_vortex", inputs_dict=settings)
        for index, time in enumerate(times):
            solver.sim.tmax = float(time)  # its last step ends exactly there
            try:
                while solver.sim.cc_data.t < time:
                    solver.single_step()
            except AssertionError as error:  # its way of saying that a state is not physical
                problem = f"the solver failed at t={solver.sim.cc_data.t:g} ({error})"
                raise SettingsError("the flow", problem, "lower cfl, or change the flow") from error
            for place, field in enumerate(_NAMES):
                out[place, index] = solver.get_var(field).v()
            if progress is not None:
                progress(float(time))
    return out


def _check(**at_least: tuple[float, float]) -> None:
    for key, (value, least) in at_least.items():
        if not (math.isfinite(value) and value >= least):
            raise SettingsError("the flow", f"{key}={value}", f"give a number from {least:g} up")
