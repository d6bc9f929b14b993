"""Sod's shock tube, simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch

from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.flows.analytic.riemann import Riemann
from physmix.flows.flow import Flow
from physmix.flows.simulation.compressible import PACKAGE, SOLVER, GasDomain, coarse, run_pyro
from physmix.flows.simulation.gas_in_square import check_run
from physmix.flows.simulation.provenance import made_by

_ROWS = 4  # equal to each other: the flow is one-dimensional


def simulate_sod(
    *,
    name: str,
    gamma: float,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """Sod's shock tube on 0 <= x <= 1, by the compressible solver of pyro; one-dimensional.

    The solver runs on cells `refinement` times finer than the stored ones, with open ends (the gradient
    there is zero). Stored values are averages of the conserved variables over the stored cells, turned
    into primitive ones: there are no point values at a jump that keep totals. `Riemann` is the exact
    solution.

    Args:
        name: of the data set.
        gamma: ratio of specific heats.
        duration: the last stored time; the first is 0. The waves reach the ends at 0.28.
        snapshots: the number of stored times, evenly spaced.
        points: stored cells, an even number, so that the jump is between two.
        refinement: solver cells per stored cell.
        cfl: Courant number of the solver's steps.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    settings = dict(locals())
    check_run(settings)
    if points % 2:
        raise SettingsError("the flow", f"points={points} puts the jump into a cell", "give an even number")
    tube = Riemann(gamma=gamma)
    cells = points * refinement
    rows = np.arange(_ROWS * refinement + 1) / cells
    domain = GasDomain(
        (np.linspace(0.0, 1.0, cells + 1), rows), ("outflow", "periodic"), gamma, flattening=True
    )
    times = np.linspace(0.0, duration, snapshots)

    def initial(xy: torch.Tensor) -> dict[str, torch.Tensor]:
        fields = tube.fields(torch.nn.functional.pad(xy[:, :1], (1, 0)))
        return {**fields, "velocity_y": torch.zeros(len(xy), dtype=xy.dtype)}

    states = coarse(run_pyro(domain, domain.averages(initial), times, cfl, progress), refinement)[..., 0]
    density, u, _, pressure = gas.primitive(*states, gamma=gamma)
    return Flow(
        name=name,
        time=times,
        axes={"x": (np.arange(points) + 0.5) / points},
        scalars={"density": density[None], "pressure": pressure[None]},
        vectors={"velocity": u[None, ..., None]},
        parameters={"gamma": gamma},
        boundary={"x": "OPEN"},
        provenance=made_by(
            PACKAGE,
            SOLVER,
            settings,
            solver_parameters=domain.parameters(cfl),
            riemann=asdict(tube),
            values="cell averages",
        ),
    )
