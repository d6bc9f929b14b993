"""Compressible flow without viscosity, by the finite volumes of pyro.

Corner transport upwind with piecewise linear states and the HLLC flux (Zingale, "pyro: a teaching code
for computational astrophysical hydrodynamics", Astronomy and Computing 6, 2014); its artificial
viscosity is off, since that would change totals.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physmix.errors import MissingPackageError, SettingsError
from physmix.flows import gas
from physmix.flows.checks import at_least

Array = NDArray[np.float64]
PACKAGE = "pyro-hydro"
SOLVER = "compressible"
_NAMES = ("density", "x-momentum", "y-momentum", "energy")


@dataclass(frozen=True)
class GasDomain:
    """Even cells on a rectangle, and what happens at its sides.

    Attributes:
        edges: of the cells along x and along y.
        boundaries: along x and along y: periodic or outflow, which takes the gradient there as zero.
        gamma: ratio of specific heats.
        flattening: whether slopes are reduced at shocks.
    """

    edges: tuple[Array, Array]
    boundaries: tuple[str, str]
    gamma: float
    flattening: bool

    def parameters(self, cfl: float) -> dict[str, Any]:
        """The solver's parameters.

        Raises:
            SettingsError: if the Courant number is not stable.
        """
        at_least(1e-3, cfl=cfl)
        if cfl > 1:
            raise SettingsError("the flow", f"cfl={cfl} is unstable", "give a number up to 1")
        sides: dict[str, Any] = {}
        for name, edges, boundary in zip("xy", self.edges, self.boundaries, strict=True):
            sides |= {
                f"mesh.n{name}": len(edges) - 1,
                f"mesh.{name}min": float(edges[0]),
                f"mesh.{name}max": float(edges[-1]),
                f"mesh.{name}lboundary": boundary,
                f"mesh.{name}rboundary": boundary,
            }
        return sides | {
            "eos.gamma": self.gamma,
            "driver.cfl": cfl,
            "driver.max_steps": 10**9,
            "driver.init_tstep_factor": 1.0,
            "compressible.cvisc": 0.0,  # the artificial viscosity flux would not telescope
            "compressible.use_flattening": int(self.flattening),
        }

    def averages(self, state: Callable[[torch.Tensor], dict[str, torch.Tensor]]) -> Array:
        """Conserved cell averages of a state, by 3 x 3 Gauss points a cell, shape (4, x, y).

        Args:
            state: takes points (point, 2) of x, y to the primitive fields.
        """
        nodes, weights = np.polynomial.legendre.leggauss(3)
        places = [
            torch.from_numpy(((e[1:] + e[:-1]) / 2)[:, None] + np.diff(e)[:, None] / 2 * nodes).flatten()
            for e in self.edges
        ]
        fields = state(torch.cartesian_prod(*places))
        values = torch.stack(gas.conserved(*(fields[n] for n in gas.PRIMITIVE), gamma=self.gamma)).numpy()
        shape = (4, len(self.edges[0]) - 1, 3, len(self.edges[1]) - 1, 3)
        return np.asarray(np.einsum("fxayb,a,b->fxy", values.reshape(shape), weights / 2, weights / 2))


def run_pyro(
    domain: GasDomain,
    initial: Array,
    times: Array,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Array:
    """Conserved cell averages at the given times, shape (4, time, x, y).

    Args:
        domain: the cells.
        initial: conserved cell averages at time 0, shape (4, x, y).
        times: increasing.
        cfl: Courant number of the steps.
        progress: called with the simulated time after each of the times.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the solver fails.
    """
    parameters = domain.parameters(cfl)
    try:
        from pyro import Pyro  # noqa: PLC0415  optional, and slow to import
    except ImportError as error:
        raise MissingPackageError(PACKAGE, "simulate") from error

    def fill(data: Any, _: Any) -> None:
        inner = data.grid.ng
        for field, average in zip(_NAMES, initial, strict=True):
            data.get_var(field)[inner:-inner, inner:-inner] = average

    out = np.empty((4, len(times), *initial.shape[1:]))
    # The solver writes its parameters into the working directory.
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its parameter files open
        solver = Pyro(SOLVER)
        solver.add_problem("given", fill)
        solver.initialize_problem("given", inputs_dict=parameters | {"driver.tmax": 1.0})
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


def coarse(averages: Array, refinement: int) -> Array:
    """Averages over blocks of refinement x refinement cells, on the last two axes."""
    *lead, x, y = averages.shape
    shape = (*lead, x // refinement, refinement, y // refinement, refinement)
    return np.asarray(averages.reshape(shape).mean((-3, -1)))


def point_values(averages: Array) -> Array:
    """Point values at cell centres from cell averages on the last two, periodic, axes.

    Fourth order: f = mean - (h^2 / 24) Laplacian (McCorquodale and Colella, "A high-order
    finite-volume method for conservation laws on locally refined grids", 2011, equation 12).
    """
    laplacian = sum(
        np.roll(averages, 1, axis) + np.roll(averages, -1, axis) - 2 * averages for axis in (-1, -2)
    )
    return np.asarray(averages - laplacian / 24)
